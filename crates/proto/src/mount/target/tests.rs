use proptest::prelude::*;

use super::*;

fn option_17(text: &str) -> (NfsTarget, Vec<Complaint>) {
    NfsTarget::from_option_17(text.as_bytes()).unwrap()
}

#[test]
fn every_spelling_of_option_17_is_read() {
    for (text, server, path) in [
        ("/srv/root", None, Some("/srv/root")),
        ("10.0.0.1:/srv/root", Some("10.0.0.1"), Some("/srv/root")),
        (
            "10.0.0.1:/srv/root\0\0",
            Some("10.0.0.1"),
            Some("/srv/root"),
        ),
        (
            "nfs:10.0.0.1:/srv/root",
            Some("10.0.0.1"),
            Some("/srv/root"),
        ),
        ("nfs4:/srv/root", None, Some("/srv/root")),
        (
            "server.lan:/srv/%s,vers=3",
            Some("server.lan"),
            Some("/srv/%s"),
        ),
        (
            "nfs:10.0.0.1:/r:vers=3,rsize=8192",
            Some("10.0.0.1"),
            Some("/r"),
        ),
        ("10.0.0.1:", Some("10.0.0.1"), None),
        ("/srv/with space", None, Some("/srv/with space")),
    ] {
        let (target, complaints) = option_17(text);
        assert_eq!(complaints, [], "{text:?}");
        assert_eq!(
            target.server.map(|s| s.to_string()).as_deref(),
            server,
            "{text:?}"
        );
        assert_eq!(target.path.as_deref(), path, "{text:?}");
    }
    assert_eq!(option_17("nfs4:/r").0.options.versions, Version::ANY_V4);
}

#[test]
fn option_17_without_an_nfs_root_is_an_error() {
    for (bytes, error) in [
        (b"".as_slice(), TargetError::Empty),
        (b"\0\0", TargetError::Empty),
        (b"/srv/\x1b[2J", TargetError::Text { position: 5 }),
        (b"/srv/\xff", TargetError::Text { position: 5 }),
        (b"/a\0/b", TargetError::Text { position: 2 }),
        (
            b"iscsi:10.0.0.1::::iqn.x",
            TargetError::OtherProtocol {
                scheme: "iscsi".into(),
            },
        ),
        (
            b"http://10.0.0.1/x",
            TargetError::OtherProtocol {
                scheme: "http".into(),
            },
        ),
    ] {
        assert_eq!(NfsTarget::from_option_17(bytes), Err(error));
    }
    let long = format!("/{}", "x".repeat(1024));
    let error = TargetError::TooLong { length: 1025 };
    assert_eq!(NfsTarget::from_option_17(long.as_bytes()), Err(error));
}

proptest! {
    #[test]
    fn any_bytes_are_a_target_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok((target, complaints)) = NfsTarget::from_option_17(&bytes) {
            if let Some(path) = target.path {
                prop_assert!(path.starts_with('/') && !path.chars().any(char::is_control));
            }
            for complaint in complaints {
                prop_assert!(complaint.position <= bytes.len());
            }
        }
    }

    #[test]
    fn any_text_is_a_target_or_an_error(text in "(nfs4?:)?[a-z0-9.:/,=\\[\\]%]{0,40}") {
        if let Ok((target, _)) = NfsTarget::from_option_17(text.as_bytes()) {
            prop_assert!(target.path.is_none_or(|path| path.starts_with('/')));
        }
    }
}

#[test]
fn server_lists_are_distinguished_from_options_and_paths() {
    let all = |text: &str| {
        let (target, complaints) = option_17(text);
        assert_eq!(complaints, [], "{text}");
        let servers: Vec<String> = target
            .server
            .iter()
            .chain(&target.others)
            .map(ToString::to_string)
            .collect();
        let rest: Vec<String> = target.options.rest.into_iter().map(|o| o.key).collect();
        format!(
            "{} {} {}",
            servers.join("+"),
            target.path.unwrap_or("-".into()),
            rest.join("+")
        )
        .trim_end()
        .to_owned()
    };
    for (text, meaning) in [
        ("10.0.0.1|10.0.0.2:/r", "10.0.0.1+10.0.0.2 /r"),
        ("a|b:/r,hard", "a+b /r hard"),
        ("nfs:a|b:/r:hard", "a+b /r hard"),
        ("nfs://a|b/r", "a+b /r"),
        ("10.0.0.1,10.0.0.2:/r,hard", "10.0.0.1+10.0.0.2 /r hard"),
        ("0.0.0.0|b:/r", "b /r"),
        ("a:/r|s:/t", "a /r|s:/t"),
        ("/r|s:/t", " /r|s:/t"),
        ("10.0.0.1,hard", "10.0.0.1 - hard"),
    ] {
        assert_eq!(all(text), meaning, "{text}");
    }
    let (target, complaints) = option_17("a|b!|c:/r");
    assert_eq!(
        (target.server, target.others.len()),
        (Some(Host::Name("a".into())), 1)
    );
    assert_eq!(
        (complaints[0].position, complaints[0].found.as_str()),
        (2, "b!")
    );
    let many: Vec<String> = (0..9).map(|n| format!("s{n}")).collect();
    let (target, complaints) = option_17(&format!("{}:/r", many.join("|")));
    assert_eq!(1 + target.others.len(), MOST_SERVERS);
    assert_eq!(complaints[0].found, "s8");
}

#[test]
fn what_looks_like_an_option_behind_a_path_is_one_or_is_named() {
    let read = |text: &str, dialect| {
        let mut complaints = Vec::new();
        let mut reading = Reading::new("root", Some(text), &mut complaints);
        let target = NfsTarget::read(text, dialect, &mut reading);
        let mut said: Vec<String> = complaints
            .iter()
            .map(|c| format!("{} {} for {}", c.position, c.expected, c.found))
            .collect();
        said.sort();
        (target, said.join("; "))
    };
    use Dialect::{Nfsroot, Url};
    for (dialect, text, path, said) in [
        (Url, "nfs4:10.0.0.1:/r:rdma", "/r", "17 tcp for rdma"),
        (Url, "10.0.0.1:/r:vers=4.2,rdma", "/r", "21 tcp for rdma"),
        (
            Url,
            "10.0.0.1:/r,proto=rdma,port=20049",
            "/r",
            "18 tcp for rdma",
        ),
        (
            Url,
            "10.0.0.1:/r:vers=3:ro",
            "/r",
            "18 a comma between options for :",
        ),
        (
            Url,
            "10.0.0.1:/r:sec=krb5:sys",
            "/r",
            "16 sec=sys for krb5:sys",
        ),
        (
            Url,
            "10.0.0.1:/r:frob=1",
            "/r",
            "12 an option of nfs(5) for frob=1",
        ),
        (
            Url,
            "10.0.0.1:/r:ver=3",
            "/r",
            "12 an option of nfs(5), such as vers for ver=3",
        ),
        (
            Url,
            "10.0.0.1:/r:nolok",
            "/r:nolok",
            "11 an option of nfs(5), such as nolock for :nolok",
        ),
        (Url, "10.0.0.1:/r:b", "/r:b", ""),
        (
            Url,
            "10.0.0.1:/r;ro",
            "/r",
            "11 a comma before the options for ;ro",
        ),
        (
            Url,
            "10.0.0.1:/r?vers=3",
            "/r",
            "11 a comma before the options for ?vers=3",
        ),
        (
            Url,
            "10.0.0.1:/r -o ro,nolock",
            "/r",
            "11 a comma before the options for  -o ro,nolock",
        ),
        (
            Url,
            "10.0.0.1:/r::ro",
            "/r",
            "11 a comma before the options for ::ro",
        ),
        (Url, "10.0.0.1:/r ,ro", "/r", ""),
        (
            Url,
            "10.0.0.1:/r;x=1",
            "/r;x=1",
            "11 an option of nfs(5) for ;x=1",
        ),
        (
            Url,
            "10.0.0.1::/r",
            "/r",
            "9 one colon before the path for :",
        ),
        (
            Url,
            "10.0.0.1:/r  ",
            "/r",
            "11 nothing behind the path for   ",
        ),
        (Url, "a:/r|s:/t", "/r|s:/t", ""),
        (Url, "a:/r:/t", "/r:/t", ""),
        (Url, "10.0.0.1:/a b", "/a b", ""),
        (
            Url,
            "nfs:10.0.0.1/r,ro",
            "/r",
            "4 10.0.0.1:/r,ro for 10.0.0.1/r,ro",
        ),
        (Nfsroot, "10.0.0.1/r", "/r", "0 10.0.0.1:/r for 10.0.0.1/r"),
        (
            Url,
            "10.0.0.1/24:/r",
            "/r",
            "0 10.0.0.1:/r for 10.0.0.1/24:/r",
        ),
        (
            Nfsroot,
            "10.0.0.1:/r:vers=3",
            "/r",
            "11 a comma before the options for :vers=3",
        ),
        (
            Nfsroot,
            "10.0.0.1:/r:x=1",
            "/r:x=1",
            "11 an option of nfs(5) for :x=1",
        ),
        (Nfsroot, "10.0.0.1:/r,rdma", "/r", "12 tcp for rdma"),
        (
            Nfsroot,
            "vers=3,10.0.0.1:/r",
            "/tftpboot/vers=3",
            "0 the path first, and its options behind it for vers=3; 7 an option of nfs(5) for 10.0.0.1:/r",
        ),
    ] {
        let (target, found) = read(text, dialect);
        assert_eq!(
            (target.path.as_deref(), found.as_str()),
            (Some(path), said),
            "{text}"
        );
        assert_eq!(target.options.port, None, "{text}");
    }
}
