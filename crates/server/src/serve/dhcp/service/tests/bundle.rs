//! The messages of a machine's last boot, as `netroot bundle` has them.

use std::time::Duration;

use netroot_net::Mac;
use netroot_proto::pxe::decide::Answer;

use super::super::*;
use super::{MAC, SERVER, discover, request, role, sent, service};
use crate::catalog::{ArrivedAt, KnownMachine};
use crate::serve::artifacts::{FileKind, Found};
use crate::serve::bundle::Bundle;
use crate::serve::events::{Fetch, Transport};
use crate::serve::status::Status;

#[test]
fn a_bundle_has_the_messages_of_the_last_boot_and_no_token() {
    let state = tempfile::tempdir().unwrap();
    for role in [DhcpRole::Proxy, role(state.path())] {
        let service = Arc::new(service(role));
        let history = Arc::<History>::clone(&service.history);
        service.timeline.observed_by(history);
        service.start().unwrap();
        let offer = sent(&service, &discover(Some(7)));
        if let Answer::Offered { address, .. } = offer.answer {
            sent(&service, &request(address, SERVER));
        }
        let script = format!("boot/{}.ipxe", MAC.hyphenated());
        let arrived = ArrivedAt {
            interface: "eth0",
            server: SERVER.into(),
        };
        let found = service
            .artifacts
            .find(&script, &arrived, || crate::serve::machines::Asker {
                machine: KnownMachine {
                    mac: Some(MAC),
                    ..KnownMachine::default()
                },
                peer: None,
            });
        let Found::Artifact(script) = found else {
            panic!("{found:?}")
        };
        assert!(script.chosen.as_ref().unwrap().script.contains("/report/"));
        let fetch = Fetch {
            kind: FileKind::Script,
            name: "boot".to_owned(),
            bytes: 1,
            took: Duration::ZERO,
            by: Transport::Http,
            chosen: script.chosen,
        };
        let machine = Machine::Mac(MAC);
        service.timeline.fetched(machine, Some(MAC), fetch);
        let status = Status::new(Vec::new());
        let bundle = Bundle::of(MAC, &service.history, &status, &service.artifacts);
        let bundle = bundle.unwrap().into_text();
        for part in [
            "bundle", "host", "image", "machine", "boot", "datagram", "script",
        ] {
            let line = format!("{{\"part\":\"{part}\"");
            assert!(bundle.contains(&line), "{part}: {bundle}");
        }
        let hex: String = offer
            .packet
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert!(bundle.contains(&hex), "{bundle}");
        let path = format!("/report/{}/", MAC.hyphenated());
        assert_eq!(
            bundle.matches(&path).count(),
            bundle.matches(&format!("{path}(left out)")).count()
        );
        assert!(bundle.contains(&path), "{bundle}");
    }
    assert!(
        Bundle::of(
            Mac([2, 0, 0, 0, 0, 9]),
            &History::new(),
            &Status::new(Vec::new()),
            &service(DhcpRole::Proxy).artifacts
        )
        .is_none()
    );
}
