//! From the paths of the code to the files that define what they name.

use super::references::Import;
use super::tree::{Module, Modules};

/// How many re-exports are followed. Only a `use` of itself has more.
const MOST_STEPS: usize = 32;

/// One name that a module takes from another.
#[derive(Debug)]
pub(super) struct Use {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) name: String,
    pub(super) line: usize,
}

/// Where a path leads: to a module, or to something defined in it.
#[derive(Debug)]
struct Place {
    module: usize,
    name: Option<String>,
}

/// Which module takes which name from which other file's module.
pub(super) fn uses(modules: &Modules) -> Vec<Use> {
    let mut uses = Vec::new();
    for (index, module) in modules.all() {
        for reference in &module.references {
            let Some(place) = resolve(modules, index, &reference.path, MOST_STEPS) else {
                continue;
            };
            let name = match place.name {
                Some(name) => name,
                None if reference.glob => "*".to_owned(),
                // A module's name alone takes nothing from it.
                None => continue,
            };
            let Some(target) = modules.get(place.module) else {
                continue;
            };
            if target.file != module.file {
                uses.push(Use {
                    from: index,
                    to: place.module,
                    name,
                    line: reference.line,
                });
            }
        }
    }
    uses
}

/// What `path` names in the module `from`. None when that is another crate's.
fn resolve(modules: &Modules, from: usize, path: &[String], steps: usize) -> Option<Place> {
    let module = modules.get(from)?;
    let mut start = None;
    let mut rest = path;
    while let Some((first, after)) = rest.split_first() {
        start = match (first.as_str(), start) {
            ("crate", None) => Some(0),
            ("self", None) => Some(from),
            ("super", None) => Some(module.parent),
            ("super", Some(start)) => Some(modules.get(start)?.parent),
            _ => break,
        };
        rest = after;
    }
    match start {
        Some(start) => descend(modules, start, rest, steps, Scope::Explicit),
        None => descend(modules, from, rest, steps, Scope::Bare),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// After `crate::`, `self::`, `super::` or a module's name: what is not found is defined by a macro.
    Explicit,
    /// A path's first word: what is not found is another crate's, or from the prelude.
    Bare,
    /// Through a glob: what is not found is elsewhere.
    Glob,
}

fn descend(
    modules: &Modules,
    index: usize,
    path: &[String],
    steps: usize,
    scope: Scope,
) -> Option<Place> {
    let steps = steps.checked_sub(1)?;
    let module = modules.get(index)?;
    let Some((first, rest)) = path.split_first() else {
        return Some(Place {
            module: index,
            name: None,
        });
    };
    let child = module.children.get(first).copied();
    if let Some(child) = child
        && !rest.is_empty()
    {
        return descend(modules, child, rest, steps, Scope::Explicit);
    }
    let defined_here = || Place {
        module: index,
        name: Some(first.clone()),
    };
    if module.items.contains(first) {
        return Some(defined_here());
    }
    let mut imported = false;
    for import in imports(module, scope).filter(|import| import.name.as_ref() == Some(first)) {
        imported = true;
        if let Some(place) = through(modules, index, import, rest, steps) {
            return Some(place);
        }
    }
    if let Some(child) = child {
        return descend(modules, child, rest, steps, Scope::Explicit);
    }
    if imported {
        return None;
    }
    for import in imports(module, scope).filter(|import| import.name.is_none()) {
        if let Some(Place { module, name: None }) = resolve(modules, index, &import.path, steps)
            && let Some(place) = descend(modules, module, path, steps, Scope::Glob)
        {
            return Some(place);
        }
    }
    if scope != Scope::Explicit {
        return None;
    }
    match modules.exported_macro(first) {
        Some(module) if index == 0 => Some(Place {
            module,
            name: Some(first.clone()),
        }),
        _ => Some(defined_here()),
    }
}

/// The imports that a path of this scope sees.
fn imports(module: &Module, scope: Scope) -> impl Iterator<Item = &Import> {
    let inner: &[Import] = match scope {
        Scope::Bare => &module.inner_imports,
        Scope::Explicit | Scope::Glob => &[],
    };
    module.imports.iter().chain(inner)
}

/// Follows an import in the module `index`, then the `rest` of the path.
fn through(
    modules: &Modules,
    index: usize,
    import: &Import,
    rest: &[String],
    steps: usize,
) -> Option<Place> {
    let place = resolve(modules, index, &import.path, steps)?;
    match place.name {
        None => descend(modules, place.module, rest, steps, Scope::Explicit),
        // What stands behind an item is its own: a variant, an associated function.
        Some(_) => Some(place),
    }
}
