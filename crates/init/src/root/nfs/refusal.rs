//! Explains a refused mount with the help of the export list.

use nfs3_types::mount::{exports, mountstat3};

use super::fault::NfsFault;
use super::server::Server;

/// The fault that the MOUNT status and the export list point to.
pub(super) fn refusal(
    server: &Server,
    path: &str,
    status: mountstat3,
    list: Option<exports<'_, '_>>,
) -> NfsFault {
    let (address, path) = (server.mount_address, path.to_owned());
    let refused = matches!(
        status,
        mountstat3::MNT3ERR_ACCES
            | mountstat3::MNT3ERR_PERM
            | mountstat3::MNT3ERR_NOENT
            | mountstat3::MNT3ERR_NOTDIR
    );
    let Some(list) = list.filter(|_| refused) else {
        return NfsFault::Denied {
            server: address,
            path,
            status,
        };
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let trimmed = |path: &str| path.trim_end_matches('/').to_owned();
    let exports: Vec<(String, Vec<String>)> = list
        .0
        .iter()
        .map(|node| {
            (
                text(&node.ex_dir.0),
                node.ex_groups
                    .0
                    .iter()
                    .map(|group| text(&group.0))
                    .collect(),
            )
        })
        .collect();
    // A server may allow mounting a directory below an export, so the nearest export above decides.
    let above = |export: &str| {
        let export = trimmed(export);
        trimmed(&path) == export || path.starts_with(&format!("{export}/"))
    };
    let nearest = exports
        .iter()
        .filter(|(export, _)| above(export))
        .max_by_key(|(export, _)| export.len());
    match (nearest, status) {
        (Some((export, allowed)), _) if trimmed(export) == trimmed(&path) => {
            NfsFault::NotToThisMachine {
                server: address,
                path,
                own: server.own,
                allowed: allowed.clone(),
            }
        }
        (Some((_, allowed)), mountstat3::MNT3ERR_ACCES | mountstat3::MNT3ERR_PERM) => {
            NfsFault::NotToThisMachine {
                server: address,
                path,
                own: server.own,
                allowed: allowed.clone(),
            }
        }
        _ => {
            let exports = exports.into_iter().map(|(export, _)| export).collect();
            NfsFault::NotExported {
                server: address,
                path,
                own: server.own,
                exports,
            }
        }
    }
}

/// The paths in an export list that are below a path.
pub(super) fn below(path: &str, list: &exports<'_, '_>) -> Vec<String> {
    let above = format!("{}/", path.trim_end_matches('/'));
    let nodes = list.0.iter();
    let paths = nodes.map(|node| String::from_utf8_lossy(&node.ex_dir.0).into_owned());
    paths
        .filter(|exported| exported.len() > above.len() && exported.starts_with(&above))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use netroot_proto::mount::KnownPorts;
    use nfs3_types::mount::{dirpath, export_node, name};
    use nfs3_types::xdr_codec::{List, Opaque};

    fn refused(path: &str, status: mountstat3, exported: &[(&str, &[&str])]) -> String {
        let address = IpAddr::from([10, 0, 0, 1]);
        let own = IpAddr::from([10, 0, 0, 9]);
        let server = Server {
            address,
            mount_address: address,
            own,
            hop: crate::net::next_hop::NextHop::Direct,
            ports: KnownPorts::default(),
            questions: crate::root::nfs::Questions::All,
        };
        let opaque = |text: &str| Opaque::owned(text.as_bytes().to_vec());
        let list = exported.iter().map(|(dir, groups)| export_node {
            ex_dir: dirpath(opaque(dir)),
            ex_groups: List(groups.iter().map(|g| name(opaque(g))).collect()),
        });
        refusal(&server, path, status, Some(List(list.collect()))).to_string()
    }

    #[test]
    fn a_listed_path_that_is_refused_is_not_for_this_machine() {
        assert_eq!(
            refused(
                "/srv/x",
                mountstat3::MNT3ERR_ACCES,
                &[("/srv/x", &["10.1.0.0/16"])]
            ),
            "10.0.0.1 exports /srv/x, but not to this machine's address 10.0.0.9 (only to 10.1.0.0/16)"
        );
        assert!(
            refused("/srv/x/", mountstat3::MNT3ERR_ACCES, &[("/srv/x", &[])])
                .contains("but not to this machine")
        );
    }

    #[test]
    fn a_path_that_is_not_listed_is_not_exported_whatever_the_status() {
        for status in [mountstat3::MNT3ERR_ACCES, mountstat3::MNT3ERR_NOENT] {
            assert_eq!(
                refused("/srv/y", status, &[("/srv/x", &[]), ("/srv/yy", &[])]),
                "10.0.0.1 does not export /srv/y; it exports /srv/x, /srv/yy"
            );
        }
        assert_eq!(
            refused("/srv/y", mountstat3::MNT3ERR_NOENT, &[]),
            "10.0.0.1 does not export /srv/y; it exports nothing to this machine's address 10.0.0.9"
        );
    }

    #[test]
    fn a_directory_missing_below_an_export_is_not_exported() {
        assert!(
            refused("/srv/x/y", mountstat3::MNT3ERR_NOENT, &[("/srv/x", &[])])
                .contains("does not export /srv/x/y")
        );
        assert!(
            refused("/srv/x/y", mountstat3::MNT3ERR_ACCES, &[("/srv/x", &["h"])])
                .contains("but not to this machine")
        );
    }

    #[test]
    fn exports_below_a_path_are_found() {
        let opaque = |text: &str| Opaque::owned(text.as_bytes().to_vec());
        let list = ["/nest", "/nest/usr", "/nested", "/"].map(|dir| export_node {
            ex_dir: dirpath(opaque(dir)),
            ex_groups: List(Vec::new()),
        });
        let list = List(Vec::from(list));
        assert_eq!(below("/nest/", &list), ["/nest/usr"]);
        assert_eq!(below("/nest/usr", &list), [""; 0]);
    }

    #[test]
    fn a_server_fault_is_reported_as_such() {
        assert!(
            refused("/x", mountstat3::MNT3ERR_SERVERFAULT, &[("/x", &[])])
                .contains("a failure of the server")
        );
    }
}
