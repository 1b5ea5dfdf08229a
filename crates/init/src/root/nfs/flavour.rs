//! Security flavours of RPC, by their numbers. Pure.
//!
//! IANA's registry "RPC Authentication Flavor Numbers"; those of Kerberos are pseudo flavours, RPCSEC_GSS with a service
//! (RFC 2623 §2.1). This init has AUTH_SYS alone: Kerberos needs the machine's key and a daemon.

/// `AUTH_NONE`: where a server lists it, Linux's client takes any flavour (`nfs_verify_authflavors`, `fs/nfs/super.c`).
const NONE: u32 = 0;
/// `AUTH_SYS`.
const SYS: u32 = 1;
/// Every mechanism of GSS-API (RFC 2203).
pub(super) const RPCSEC_GSS: u32 = 6;
/// Asked for by a client that wants TLS (RFC 9289).
const TLS: u32 = 7;
/// Kerberos 5: authentication, integrity, privacy.
const KERBEROS: [(u32, &str); 3] = [(390_003, "krb5"), (390_004, "krb5i"), (390_005, "krb5p")];

/// Whether a server lists flavours, and none that this init has. Version 3 of MOUNT lists them (RFC 1813 §5.2.1).
pub(super) fn none_is_usable(listed: &[u32]) -> bool {
    !listed.is_empty() && !listed.iter().any(|flavour| matches!(*flavour, NONE | SYS))
}

/// The flavour of Kerberos with a service of RPCSEC_GSS (RFC 2203 §5.2.2: 1 none, 2 integrity, 3 privacy).
pub(super) fn of_kerberos_service(service: u32) -> u32 {
    match service {
        1..=3 => 390_002 + service,
        _ => RPCSEC_GSS,
    }
}

/// Names of flavours, as `sec=` of exports(5) and nfs(5) has them, for a refusal of AUTH_SYS. Without any flavour, `another
/// security flavour`.
pub(super) fn names(flavours: &[u32]) -> String {
    // Linux's server refuses a client without TLS so (`check_nfsd_access`, `fs/nfsd/export.c`).
    if flavours.contains(&SYS) {
        return "TLS (xprtsec=)".to_owned();
    }
    let name = |flavour: &u32| match flavour {
        &RPCSEC_GSS => "gss".to_owned(),
        &TLS => "tls".to_owned(),
        other => match KERBEROS.iter().find(|(number, _)| number == other) {
            Some((_, name)) => (*name).to_owned(),
            None => other.to_string(),
        },
    };
    let mut names: Vec<String> = flavours.iter().map(name).collect();
    names.dedup();
    let names = names.join(":");
    match flavours
        .iter()
        .any(|f| *f == RPCSEC_GSS || KERBEROS.iter().any(|(number, _)| number == f))
    {
        true => format!("Kerberos (sec={names})"),
        false if names.is_empty() => "another security flavour".to_owned(),
        false => format!("another security flavour (sec={names})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_auth_sys_cannot_be_mounted_from() {
        for (flavours, wanted) in [
            (&[390_003][..], "Kerberos (sec=krb5)"),
            (
                &[390_003, 390_004, 390_005],
                "Kerberos (sec=krb5:krb5i:krb5p)",
            ),
            (&[7], "another security flavour (sec=tls)"),
            (&[3], "another security flavour (sec=3)"),
        ] {
            assert!(none_is_usable(flavours), "{flavours:?}");
            assert_eq!(names(flavours), wanted);
        }
        for flavours in [&[][..], &[1], &[390_003, 1], &[0]] {
            assert!(!none_is_usable(flavours), "{flavours:?}");
        }
        assert_eq!(names(&[]), "another security flavour");
        assert_eq!(names(&[1]), "TLS (xprtsec=)");
        assert_eq!(names(&[of_kerberos_service(2)]), "Kerberos (sec=krb5i)");
    }
}
