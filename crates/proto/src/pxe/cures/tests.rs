use std::net::Ipv4Addr;

use super::*;
use crate::pxe::arch::Platform;
use crate::pxe::inputs::Loader;

fn loaders() -> [Loader; 2] {
    [
        (Platform::Bios, "undionly.kpxe"),
        (Platform::EfiX64, "snponly.efi"),
    ]
    .map(|(platform, first)| Loader {
        platform,
        first: first.to_owned(),
        second: None,
        signed: None,
    })
}

fn text(product: Product, problem: &Problem) -> String {
    let loaders = loaders();
    let netroot = Netroot {
        address: Ipv4Addr::new(10, 0, 0, 1),
        http_port: 8069,
        loaders: &loaders,
    };
    cure(product, problem, &netroot).unwrap().to_string()
}

fn claims_boot() -> Problem {
    Problem::ClaimsBoot {
        class: b"PXEClient".to_vec(),
    }
}

fn names_file() -> Problem {
    Problem::NamesFile {
        file: b"pxelinux.0".to_vec(),
    }
}

#[test]
fn dnsmasq_loses_option_60_by_these_lines() {
    assert_eq!(
        text(Product::Dnsmasq, &claims_boot()),
        "dnsmasq (/etc/dnsmasq.conf and /etc/dnsmasq.d/)
  remove  dhcp-option=60,PXEClient, dhcp-option-force=60,PXEClient    (or dhcp-option=option:vendor-class,PXEClient, dhcp-option-force=option:vendor-class,PXEClient)
  remove  dhcp-option=vendor:PXEClient,…, dhcp-option-force=vendor:PXEClient,…
  remove  pxe-service=…, pxe-prompt=…
  run     dnsmasq --test && systemctl restart dnsmasq"
    );
}

#[test]
fn the_class_of_a_client_that_dnsmasq_sends_back_is_by_its_vendor_options() {
    let class = b"PXEClient:Arch:00007:UNDI:003001".to_vec();
    let text = text(Product::Dnsmasq, &Problem::ClaimsBoot { class });
    assert!(
        text.contains("remove  dhcp-option=vendor:PXEClient,…"),
        "{text}"
    );
}

#[test]
fn the_file_that_was_seen_is_in_the_line_to_remove() {
    for (product, line) in [
        (Product::Dnsmasq, "remove  dhcp-boot=pxelinux.0"),
        (Product::Kea, "remove  \"boot-file-name\": \"pxelinux.0\""),
        (Product::IscDhcpd, "remove  filename \"pxelinux.0\";"),
    ] {
        let text = text(product, &names_file());
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn every_product_that_sends_boot_options_has_a_cure_for_them() {
    let netroot = Netroot {
        address: Ipv4Addr::new(10, 0, 0, 1),
        http_port: 8069,
        loaders: &loaders(),
    };
    for problem in [claims_boot(), names_file()] {
        let cures = cures(&problem, &netroot);
        let cured: Vec<Product> = cures.iter().map(|cure| cure.product).collect();
        assert_eq!(cured, Product::ALL[..9], "{problem:?}");
    }
    let forbids = cures(&Problem::ForbidsProxy, &netroot);
    let cured: Vec<Product> = forbids.iter().map(|cure| cure.product).collect();
    assert_eq!(cured, Product::ALL[..9]);
    for problem in [Problem::SecondServer, Problem::NoAddress] {
        assert_eq!(cures(&problem, &netroot).len(), Product::ALL.len());
    }
}

/// With this variable the file of all cures is written anew.
const WRITE: &str = "NETROOT_WRITE_EXPECTED";

/// So that a change of one is seen as a whole, and read before it is made.
#[test]
fn the_cures_are_those_of_the_file() {
    let mut all = String::new();
    for problem in [
        claims_boot(),
        names_file(),
        Problem::ForbidsProxy,
        Problem::SecondServer,
        Problem::SecondProxy,
        Problem::NoAddress,
        Problem::ProxyNotHeard,
    ] {
        let loaders = loaders();
        let netroot = Netroot {
            address: Ipv4Addr::new(10, 0, 0, 1),
            http_port: 8069,
            loaders: &loaders,
        };
        let cures = cures(&problem, &netroot);
        let without = Product::ALL.into_iter().filter(|product| {
            let mut cured = cures.iter();
            !cured.any(|cure| cure.product == *product)
        });
        let without: Vec<String> = without.map(|product| product.to_string()).collect();
        all += &format!("# {}\n", problem.word());
        for cure in &cures {
            all += &format!("\n{cure}\n");
        }
        all += &format!("\nNo cure: {}\n\n", without.join(", "));
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/pxe/cures/cures.txt");
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(file, &all).unwrap();
    }
    let kept = std::fs::read_to_string(file).unwrap();
    assert_eq!(all, kept, "{file}: {WRITE}=1 writes it anew");
}

#[test]
fn a_server_that_is_to_name_netroots_files_tells_ipxe_from_firmware() {
    let problem = Problem::ProxyNotHeard;
    let dnsmasq = text(Product::Dnsmasq, &problem);
    for line in [
        "dhcp-boot=tag:arch0,tag:!ipxe,undionly.kpxe,,10.0.0.1",
        "dhcp-boot=tag:arch7,tag:!ipxe,snponly.efi,,10.0.0.1",
        "dhcp-boot=tag:ipxe,http://10.0.0.1:8069/autoexec.ipxe",
    ] {
        assert!(dnsmasq.contains(line), "{dnsmasq}");
        assert!(text(Product::OpenWrt, &problem).contains(line));
    }
    let kea = text(Product::Kea, &problem);
    assert!(
        kea.contains("\"option[93].hex == 0x0007 and not option[175].exists\""),
        "{kea}"
    );
    let isc = text(Product::IscDhcpd, &problem);
    assert!(
        isc.contains("elsif option client-architecture = 00:07 {"),
        "{isc}"
    );
}

#[test]
fn what_a_server_sent_cannot_write_to_the_terminal() {
    let evil = Problem::NamesFile {
        file: b"a\x1b[2J\nb".to_vec(),
    };
    let text = text(Product::Dnsmasq, &evil);
    assert!(
        !text.contains('\x1b') && text.lines().count() == 5,
        "{text}"
    );
}

#[test]
fn what_a_server_sent_is_one_word_in_a_command() {
    let class = b"PXEClient'; reboot; '".to_vec();
    let text = text(Product::OpenWrt, &Problem::ClaimsBoot { class });
    let word = r#"dhcp_option='60,PXEClient'\''; reboot; '\'''"#;
    assert!(text.contains(word), "{text}");
}
