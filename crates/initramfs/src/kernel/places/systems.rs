//! The systems of NixOS and Guix System: where they are, and kernels in a store that has none.

use super::candidate::Candidate;
use super::folder::names;
use crate::root_tree::RootTree;

/// The profiles of NixOS and Guix System, whose `system` is the current generation.
pub(in crate::kernel) const PROFILES: [&str; 2] = ["/nix/var/nix/profiles", "/var/guix/profiles"];
/// A root that was copied from a running system may have kept this one; a store alone has neither.
const BOOTED: &str = "/run/current-system";
/// Where systems without a profile are.
const STORES: [&str; 2] = ["/nix/store", "/gnu/store"];

/// The systems of NixOS and Guix System, with whether each is the current one. Only where no profile says which they
/// are, the store is searched.
pub(super) fn systems(root: &RootTree) -> Vec<(String, bool)> {
    let mut systems = Vec::new();
    for profiles in PROFILES {
        // The link is moved to another generation while machines boot, so what they are told names the generation, as
        // Guix's own boot loader entries do.
        let current = format!("{profiles}/system");
        let current = match root.link_target(&current) {
            Some(target) if target.starts_with('/') => target,
            Some(target) if !target.contains('/') => format!("{profiles}/{target}"),
            _ => current,
        };
        for name in names(root, profiles) {
            let system = format!("{profiles}/{name}");
            if name.starts_with("system-") && name.ends_with("-link") && system != current {
                systems.push((system, false));
            }
        }
        if root.has_directory(&current) {
            systems.push((current, true));
        }
    }
    if root.has_directory(BOOTED) {
        systems.push((BOOTED.to_owned(), false));
    }
    // Nix and Guix as package managers of another distribution have stores, too.
    if systems.is_empty() && !has_usual_init(root) {
        for store in STORES {
            let found = names(root, store).into_iter();
            let found = found.filter(|name| is_system(name));
            systems.extend(found.map(|name| (format!("{store}/{name}"), false)));
        }
    }
    // A dangling profile is no system; the current generation is shown before its other name.
    systems.retain(|(system, _)| root.has_directory(system));
    systems.sort_by_key(|(_, current)| !current);
    systems
}

fn has_usual_init(root: &RootTree) -> bool {
    root.open_file("/sbin/init").is_ok()
}

/// Kernels and modules in a store without a system. Returns the directories of module trees.
pub(super) fn add_loose_packages(root: &RootTree, candidates: &mut Vec<Candidate>) -> Vec<String> {
    let mut trees = Vec::new();
    if has_usual_init(root) {
        return trees;
    }
    for store in STORES {
        for name in names(root, store) {
            let tree = format!("{store}/{name}/lib/modules");
            if name.contains("-linux-") {
                candidates.push(Candidate {
                    own_modules: Some(tree),
                    ..Candidate::usual(format!("{store}/{name}/bzImage"), "")
                });
            } else if name.ends_with("kernel-modules") {
                trees.push(tree);
            }
        }
    }
    trees
}

/// Whether a name in a store is a system's: `<hash>-nixos-system-<host>-<release>`, Guix's `<hash>-system`.
fn is_system(name: &str) -> bool {
    name.contains("-nixos-system-") || name.ends_with("-system")
}
