//! Which shim starts where: Microsoft's authority of 2011, that of 2023, or both, in the machine's `db` and in the signatures
//! of shim. Debian's shim has one signature under each; the shims with one alone are the same file without the other.

use std::fs;

use anyhow::{Context, Result};
use netroot_harness::{
    Firmware, NetrootServe, Nic, SignatureLists, TinyRoot, VmBuilder, paths, with_signatures,
};
use netroot_secure_boot::{Authority, Binary};

use crate::lan::{Lan, MACHINE, RANGE, TIMEOUT};

const OLD: &[Authority] = &[Authority::Microsoft2011];
const NEW: &[Authority] = &[Authority::Microsoft2023];
const BOTH: &[Authority] = &Authority::ALL;

fn shim() -> Result<Vec<u8>> {
    let file = paths::signed_loaders().join("x64/shimx64.efi.signed");
    fs::read(&file).with_context(|| file.display().to_string())
}

/// Debian's shim with its signatures under these alone.
fn signed_under(authorities: &[Authority]) -> Result<Vec<u8>> {
    let names: Vec<String> = authorities.iter().map(ToString::to_string).collect();
    let shim = with_signatures(shim()?, |pkcs7| {
        let has = |name: &String| pkcs7.windows(name.len()).any(|it| it == name.as_bytes());
        names.iter().any(has)
    })?;
    let binary = Binary::parse(&shim)?;
    let mut left: Vec<_> = binary.valid_signatures().map(|it| it.authority()).collect();
    left.sort_unstable();
    let expected: Vec<_> = authorities.iter().copied().map(Some).collect();
    assert_eq!(left, expected);
    Ok(shim)
}

/// A `db` with these certificates, which are inside the signatures that were made under them.
pub(super) fn trusting(authorities: &[Authority]) -> Result<SignatureLists> {
    let binary = Binary::parse(&shim()?)?;
    let certificates = binary.valid_signatures().flat_map(|it| it.certificates());
    let of = certificates
        .filter(|it| Authority::of(it).is_some_and(|authority| authorities.contains(&authority)));
    let mut lists = SignatureLists::default();
    let mut count = 0;
    for certificate in of {
        lists = lists.certificate(&certificate.to_der()?);
        count += 1;
    }
    assert_eq!(count, authorities.len());
    Ok(lists)
}

/// Boots shims that are signed under these, one after the other, on machines that trust `db`: each starts, or not. What
/// nobody signed, iPXE, starts on none.
fn start_where_only(name: &str, db: &[Authority], cases: &[(&[Authority], bool)]) -> Result<()> {
    let root = TinyRoot::make()?;
    let cases = cases
        .iter()
        .map(|(signed, starts)| (Some(*signed), *starts));
    for (number, (signed, starts)) in cases.chain([(None, false)]).enumerate() {
        let case = format!("db {db:?}, signed {signed:?}");
        let lan = Lan::new(&format!("{name}-{number}"))?;
        let folder = lan.net.logs().join("signed");
        fs::create_dir(&folder)?;
        let mut arguments = vec!["--interface", "br0", "--dhcp", RANGE];
        arguments.extend(["--modules", "virtio_net"]);
        let (shown, no_loaders) = (folder.display().to_string(), folder.join("none"));
        let no_loaders = no_loaders.display().to_string();
        if let Some(signed) = signed {
            fs::write(folder.join("shimx64.efi"), signed_under(signed)?)?;
            let grub = paths::signed_loaders().join("x64/grubnetx64.efi.signed");
            fs::copy(grub, folder.join("grubx64.efi"))?;
            arguments.extend(["--secure-boot-files", &shown, "--ipxe", &no_loaders]);
        }
        let server = NetrootServe::start(&lan.net, root.path(), &arguments)?;
        let vm = VmBuilder::new(&lan.net, "console")
            .firmware(Firmware::SecureBoot)
            .trusting(trusting(db)?)
            .quick_firmware()
            .nic(Nic::virtio(&lan.tap, MACHINE))
            .start()?;
        // What shim asks for first. GRUB comes later, in blocks of 512 bytes.
        let asks = "revocations_sku.efi";
        if starts {
            let output = server.output();
            let asked = output.wait_for(asks, "shim's first request", TIMEOUT);
            asked.context(case)?;
        } else {
            let refused = vm.wait_for("Access Denied", "firmware's refusal", TIMEOUT);
            refused.context(case.clone())?;
            assert!(!server.output().contains(asks), "{case}");
        }
    }
    Ok(())
}

#[test]
fn with_the_authority_of_2011_alone() -> Result<()> {
    let cases = [(OLD, true), (NEW, false), (BOTH, true)];
    start_where_only("authority-2011", OLD, &cases)
}

#[test]
fn with_the_authority_of_2023_alone() -> Result<()> {
    let cases = [(OLD, false), (NEW, true), (BOTH, true)];
    start_where_only("authority-2023", NEW, &cases)
}

#[test]
fn with_both_authorities() -> Result<()> {
    let cases = [(OLD, true), (NEW, true), (BOTH, true)];
    start_where_only("authority-both", BOTH, &cases)
}
