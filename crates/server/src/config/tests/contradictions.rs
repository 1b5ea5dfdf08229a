//! What contradicts something else, or can never do anything.

use super::{ONE, mistakes, place, read, texts};

#[test]
fn networks_that_cannot_be_served_together_are_told() {
    for (text, why) in [
        (
            "[[network]]\ninterface = \"eth0\"\n[[network]]\ninterface = \"eth0:1\"\nmode = \"proxy\"\n",
            "4: network.interface: eth0:1 is served by the [[network]] at netroot.toml:1 already",
        ),
        (
            "[[network]]\ninterface = \"eth0\"\n[[network]]\nmode = \"proxy\"\n",
            "3: network: needs an interface where there are several networks",
        ),
        (
            "[server]\nhttp-port = 2049\n",
            "1: server.nfs-port: server.http-port has the port 2049 already",
        ),
        (
            "[api]\nlisten = \"0.0.0.0:8069\"\ntoken-file = \"/etc/netroot/tokens\"\n",
            "2: api.listen: server.http-port has the port 8069 already",
        ),
        (
            "[api]\nlisten = \"[::]:2049\"\ntoken-file = \"/etc/netroot/tokens\"\n",
            "2: api.listen: server.nfs-port has the port 2049 already",
        ),
        (
            "[[network]]\ninterface = \"eth0\"\nmode = \"isolated\"\nsubnet = \"10.20.0.0\"\n",
            "4: network.subnet: expected the length of the network's prefix behind 10.20.0.0, such as 10.20.0.0/24",
        ),
    ] {
        let found = mistakes(&format!("{text}{ONE}"), &[]);
        assert!(found.contains(&format!("netroot.toml:{why}")), "{found}");
    }
    let beside =
        "[[network]]\nmode = \"proxy\"\n[[network]]\ninterface = \"eth1\"\nmode = \"isolated\"\n";
    read(&format!("{beside}{ONE}")).unwrap();
    // It is not served there.
    let local = "[api]\nlisten = \"127.0.0.1:8069\"\ntoken-file = \"/etc/netroot/tokens\"\n";
    read(&format!("{local}{ONE}")).unwrap();
}

#[test]
fn what_one_command_line_for_all_leaves_out_is_doubted() {
    let server = "[server]\nuki-key = \"/etc/k\"\nuki-cert = \"/etc/c\"\n";
    let doubts = |uki: bool| -> usize {
        let image = format!("[image.a]\nroot = \"/srv/a\"\nuki = {uki}\nappend = \"quiet\"\n");
        let rule = "[[rule]]\nmac = \"02\"\nboot = \"a\"\nappend = \"nomodeset\"\n";
        let parsed = super::super::read(&place(), &texts(&format!("{server}{image}{rule}"), &[]));
        assert_eq!(parsed.mistakes, []);
        let doubts = parsed.doubts.iter().map(ToString::to_string);
        let about = doubts.filter(|doubt| doubt.contains("rule.append: does nothing where"));
        about.count()
    };
    assert_eq!([doubts(true), doubts(false)], [1, 0]);
}

#[test]
fn what_can_never_do_anything_is_doubted_and_served() {
    let doubts = |text: &str| -> Vec<String> {
        let parsed = super::super::read(&place(), &texts(&format!("{text}{ONE}"), &[]));
        assert_eq!(parsed.mistakes, [], "{text}");
        let shown = parsed.doubts.iter().map(ToString::to_string);
        shown
            .map(|text| text.replace("/etc/netroot/", ""))
            .collect()
    };
    let all = "[[rule]]\nboot = \"debian\"\n[[rule]]\nmac = \"02\"\nboot = \"wait\"\n";
    assert_eq!(
        doubts(all),
        [
            "netroot.toml:3: rule: no machine comes to this rule: the one at netroot.toml:1, which has no condition and so is for every machine, decides before; move that one behind this one"
        ]
    );
    for (earlier, later, is_covered) in [
        ("mac = \"02\"", "mac = \"02:00:01\"", true),
        ("mac = \"02:00:01\"", "mac = \"02\"", false),
        (
            "mac = [\"02\", \"04\"]",
            "mac = \"04\"\narch = \"bios\"",
            true,
        ),
        ("mac = \"02\"\narch = \"bios\"", "mac = \"02\"", false),
        ("subnet = \"10.0.0.0/8\"", "subnet = \"10.1.0.0/16\"", true),
        ("subnet = \"10.1.0.0/16\"", "subnet = \"10.0.0.0/8\"", false),
        (
            "vendor-class = \"PXE\"",
            "vendor-class = \"PXEClient\"",
            true,
        ),
        ("circuit = \"a\"", "circuit = \"a\"", true),
        ("circuit = \"a\"", "circuit = \"b\"", false),
    ] {
        let text =
            format!("[[rule]]\n{earlier}\nboot = \"wait\"\n[[rule]]\n{later}\nboot = \"debian\"\n");
        assert_eq!(!doubts(&text).is_empty(), is_covered, "{text}");
    }
    // Before, one whose only condition is misspelt was taken for one without.
    let misspelt = format!(
        "[[rule]]\narch = \"efi-x86\"\nboot = \"wait\"\n[[rule]]\nboot = \"debian\"\n{ONE}"
    );
    let parsed = super::super::read(&place(), &texts(&misspelt, &[]));
    assert_eq!((parsed.mistakes.len(), parsed.doubts), (1, vec![]));
    // One that only adds to the command line decides nothing.
    let adds = "[[rule]]\nappend = \"quiet\"\n[[rule]]\nboot = \"debian\"\n";
    assert!(doubts(adds).is_empty());
    let elsewhere =
        "[[network]]\ninterface = \"eth0\"\n[[rule]]\ninterface = \"eht0\"\nboot = \"wait\"\n";
    assert_eq!(
        doubts(elsewhere),
        [
            "netroot.toml:4: rule.interface: eht0 is not served by any [[network]]; did you mean eth0?"
        ]
    );
}
