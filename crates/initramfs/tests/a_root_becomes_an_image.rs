//! From a root in a temporary folder to an image, and back by a reader of its own.

// clippy.toml excuses tests, and not what tests call.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "../src/fixture.rs"]
mod fixture;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::path::Path;

use netroot_initramfs::{
    BuildError, BuildRequest, BuildSummary, Compression, CompressionOptions, Contents,
    ModuleSelection, RootTree, build, choose_kernel,
};

const VERSION: &str = "6.1.0-50-amd64";

/// A merged-usr root with absolute links, whose modules are packed in every way there is.
struct FakeRoot {
    dir: tempfile::TempDir,
}

impl FakeRoot {
    fn new() -> FakeRoot {
        let root = FakeRoot {
            dir: tempfile::tempdir().unwrap(),
        };
        root.directory("usr/lib");
        symlink("/usr/lib", root.path("lib")).unwrap();
        root.file("boot/vmlinuz-6.1.0-50-amd64", &bzimage());
        symlink("/boot/vmlinuz-6.1.0-50-amd64", root.path("vmlinuz")).unwrap();
        root.module("kernel/net/sunrpc/sunrpc.ko.xz", "");
        root.module("kernel/fs/nfs/nfs.ko.xz", "");
        root.module("kernel/fs/nfs/nfsv3.ko.xz", "");
        root.module("kernel/fs/overlayfs/overlay.ko.zst", "");
        let firmware = "firmware=nic/one.bin\0firmware=nic/two.bin\0\
                        firmware=nic/absent.bin\0firmware=../../../etc/shadow\0";
        root.module("kernel/drivers/net/ethernet/acme/fast-nic.ko.gz", firmware);
        root.module("kernel/drivers/net/phy/fast_phy.ko", "");
        root.module("kernel/drivers/net/wireless/wifi.ko", "");
        root.module("kernel/crypto/sum_generic.ko.zst", "");
        let index = root.path(&format!("usr/lib/modules/{VERSION}"));
        let write = |name: &str, text: &str| fs::write(index.join(name), text).unwrap();
        write(
            "modules.dep",
            "kernel/net/sunrpc/sunrpc.ko.xz:\n\
             kernel/fs/nfs/nfs.ko.xz: kernel/net/sunrpc/sunrpc.ko.xz\n\
             kernel/fs/nfs/nfsv3.ko.xz: kernel/fs/nfs/nfs.ko.xz kernel/net/sunrpc/sunrpc.ko.xz\n\
             kernel/fs/overlayfs/overlay.ko.zst:\n\
             kernel/drivers/net/ethernet/acme/fast-nic.ko.gz:\n\
             kernel/drivers/net/phy/fast_phy.ko:\n\
             kernel/drivers/net/wireless/wifi.ko:\n\
             kernel/crypto/sum_generic.ko.zst:\n",
        );
        write(
            "modules.alias",
            "alias pci:v00001234d00005678sv*sd*bc*sc*i* fast_nic\n\
             alias pci:v00001234d00009999sv*sd*bc*sc*i* wifi\n\
             alias crypto-sum sum_generic\n",
        );
        write(
            "modules.softdep",
            "softdep fast_nic pre: crypto-sum post: fast_phy\n",
        );
        write("modules.builtin", "kernel/net/packet/af_packet.ko\n");
        root.file("usr/lib/firmware/real.bin", b"firmware one");
        root.directory("usr/lib/firmware/nic");
        symlink(
            "/lib/firmware/real.bin",
            root.path("usr/lib/firmware/nic/one.bin"),
        )
        .unwrap();
        let two = packed("xz", b"firmware two");
        root.file("usr/lib/firmware/nic/two.bin.xz", &two);
        root
    }

    fn path(&self, inside: &str) -> std::path::PathBuf {
        self.dir.path().join(inside)
    }

    fn directory(&self, inside: &str) {
        fs::create_dir_all(self.path(inside)).unwrap();
    }

    fn file(&self, inside: &str, content: &[u8]) {
        let path = self.path(inside);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn module(&self, path: &str, modinfo: &str) {
        let content = fixture::module(62, &format!("{modinfo}path={path}\0"));
        let (_, format) = path.rsplit_once('.').unwrap();
        let inside = format!("usr/lib/modules/{VERSION}/{path}");
        self.file(&inside, &packed(format, &content));
    }

    fn image(&self, modules: &str) -> Result<(BuildSummary, Vec<u8>), BuildError> {
        self.image_with(modules, &Contents::built_in().unwrap(), 1)
    }

    fn image_with(
        &self,
        modules: &str,
        contents: &Contents,
        threads: u32,
    ) -> Result<(BuildSummary, Vec<u8>), BuildError> {
        let root = RootTree::open(self.dir.path()).unwrap();
        let kernel = choose_kernel(&root, None).unwrap();
        let modules: ModuleSelection = modules.parse().unwrap();
        let mut image = Vec::new();
        let request = BuildRequest {
            root: &root,
            kernel: &kernel,
            modules: &modules,
            contents,
            init: &fixture::module(62, ""),
            timestamp: 0,
            compression: CompressionOptions { level: 3, threads },
            sys: &self.path("sys"),
        };
        let report = build(&request, &mut image)?;
        assert_eq!(report.compressed_size, image.len() as u64);
        Ok((report, image))
    }
}

fn packed(format: &str, content: &[u8]) -> Vec<u8> {
    match format {
        "gz" => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        }
        "xz" => {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 6);
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        }
        "zst" => zstd::encode_all(content, 3).unwrap(),
        _ => content.to_vec(),
    }
}

fn bzimage() -> Vec<u8> {
    let mut image = vec![0; 0x400];
    image[0x202..0x206].copy_from_slice(b"HdrS");
    image[0x206] = 0x0f;
    image[0x207] = 0x02;
    image[0x20f] = 0x01;
    image[0x236] = 1;
    let text = format!("{VERSION} (a@b) #1\0");
    image[0x300..0x300 + text.len()].copy_from_slice(text.as_bytes());
    image
}

/// An entry of the archive: its mode and its content.
type Entries = BTreeMap<String, (u32, Vec<u8>)>;

/// Reads an image as the kernel does: zstd, then newc.
fn read_image(image: &[u8]) -> Entries {
    let mut archive = Vec::new();
    zstd::Decoder::new(image)
        .unwrap()
        .read_to_end(&mut archive)
        .unwrap();
    let mut entries = Entries::new();
    let mut rest = archive.as_slice();
    loop {
        assert_eq!(&rest[..6], b"070701");
        let field = |i: usize| {
            let digits = std::str::from_utf8(&rest[6 + 8 * i..14 + 8 * i]).unwrap();
            u32::from_str_radix(digits, 16).unwrap()
        };
        let (mode, size, name_size) = (field(1), field(6) as usize, field(11) as usize);
        assert_eq!((field(2), field(3), field(5)), (0, 0, 0), "owner and time");
        let name = std::str::from_utf8(&rest[110..110 + name_size - 1]).unwrap();
        if name == "TRAILER!!!" {
            return entries;
        }
        let start = (110 + name_size).next_multiple_of(4);
        let content = rest[start..start + size].to_vec();
        if let Some((parent, _)) = name.rsplit_once('/') {
            assert!(entries.contains_key(parent), "{parent} comes before {name}");
        }
        let old = entries.insert(name.to_owned(), (mode, content));
        assert!(old.is_none(), "{name} is there twice");
        rest = &rest[(start + size).next_multiple_of(4)..];
    }
}

fn text(entries: &Entries, name: &str) -> String {
    String::from_utf8(entries[&format!("lib/modules/{VERSION}/{name}")].1.clone()).unwrap()
}

fn names_below(entries: &Entries, prefix: &str) -> Vec<String> {
    entries
        .iter()
        .filter(|(_, (mode, _))| mode & 0o170_000 == 0o100_000)
        .filter_map(|(name, _)| Some(name.strip_prefix(prefix)?.to_owned()))
        .collect()
}

#[test]
fn packed_modules_come_out_plain_with_an_index_of_their_own() {
    let root = FakeRoot::new();
    let (report, image) = root.image("fast-nic").unwrap();
    let entries = read_image(&image);
    let modules = [
        "kernel/crypto/sum_generic.ko",
        "kernel/drivers/net/ethernet/acme/fast-nic.ko",
        "kernel/drivers/net/phy/fast_phy.ko",
        "kernel/fs/nfs/nfs.ko",
        "kernel/fs/nfs/nfsv3.ko",
        "kernel/fs/overlayfs/overlay.ko",
        "kernel/net/sunrpc/sunrpc.ko",
    ];
    let mut expected: Vec<&str> = modules.to_vec();
    expected.extend([
        "modules.alias",
        "modules.builtin",
        "modules.dep",
        "modules.softdep",
    ]);
    assert_eq!(
        names_below(&entries, &format!("lib/modules/{VERSION}/")),
        expected
    );
    for path in modules {
        let module = &entries[&format!("lib/modules/{VERSION}/{path}")].1;
        assert_eq!(&module[..4], b"\x7fELF", "{path}");
        let own = format!("path={path}");
        assert!(
            module.windows(own.len()).any(|part| part == own.as_bytes()),
            "{path}"
        );
    }
    assert_eq!(
        text(&entries, "modules.dep"),
        "kernel/crypto/sum_generic.ko:\n\
         kernel/drivers/net/ethernet/acme/fast-nic.ko:\n\
         kernel/drivers/net/phy/fast_phy.ko:\n\
         kernel/fs/nfs/nfs.ko: kernel/net/sunrpc/sunrpc.ko\n\
         kernel/fs/nfs/nfsv3.ko: kernel/fs/nfs/nfs.ko kernel/net/sunrpc/sunrpc.ko\n\
         kernel/fs/overlayfs/overlay.ko:\n\
         kernel/net/sunrpc/sunrpc.ko:\n"
    );
    assert_eq!(
        text(&entries, "modules.alias"),
        "alias pci:v00001234d00005678sv*sd*bc*sc*i* fast_nic\nalias crypto-sum sum_generic\n"
    );
    assert_eq!(
        text(&entries, "modules.softdep"),
        "softdep fast_nic pre: sum_generic post: fast_phy\n"
    );
    assert_eq!(
        text(&entries, "modules.builtin"),
        "kernel/net/packet/af_packet.ko\n"
    );
    assert_eq!(report.modules.len(), 7);
    assert_eq!(report.built_in, ["af_packet"]);
    assert_eq!(report.absent, ["nfsv4"]);
}

#[test]
fn the_image_has_the_layout_that_the_init_expects() {
    let root = FakeRoot::new();
    let entries = read_image(&root.image("").unwrap().1);
    for directory in [
        "proc",
        "sys",
        "dev",
        "run",
        "newroot",
        "etc",
        "lib/firmware",
    ] {
        assert_eq!(entries[directory].0, 0o040_755, "{directory}");
    }
    assert_eq!(entries["dev/console"].0, 0o020_600);
    assert_eq!(entries["dev/null"].0, 0o020_666);
    assert_eq!(entries["init"], (0o100_755, fixture::module(62, "")));
}

#[test]
fn firmware_is_taken_through_links_and_unpacked_and_what_is_missing_is_told() {
    let root = FakeRoot::new();
    let (report, image) = root.image("fast-nic").unwrap();
    let entries = read_image(&image);
    assert_eq!(
        names_below(&entries, "lib/firmware/"),
        ["nic/one.bin", "nic/two.bin"]
    );
    assert_eq!(entries["lib/firmware/nic/one.bin"].1, b"firmware one");
    assert_eq!(entries["lib/firmware/nic/two.bin"].1, b"firmware two");
    assert_eq!(report.firmware, ["nic/one.bin", "nic/two.bin"]);
    let missing = ("nic/absent.bin".to_owned(), "fast_nic".to_owned());
    assert_eq!(report.missing_firmware, [missing]);
}

#[test]
fn the_set_netboot_takes_wired_nics_and_leaves_wireless_ones() {
    let root = FakeRoot::new();
    let (report, _) = root.image("netboot").unwrap();
    assert!(report.modules.iter().any(|name| name == "fast_nic"));
    assert!(report.modules.iter().any(|name| name == "fast_phy"));
    assert!(!report.modules.iter().any(|name| name == "wifi"));
}

#[test]
fn this_machine_means_the_drivers_of_its_nics() {
    let root = FakeRoot::new();
    let device = root.path("sys/devices/pci0000:00/0000:00:03.0");
    fs::create_dir_all(device.join("net/eth0")).unwrap();
    let modalias = "pci:v00001234d00005678sv00000000sd00000000bc02sc00i00\n";
    fs::write(device.join("modalias"), modalias).unwrap();
    symlink("../..", device.join("net/eth0/device")).unwrap();
    fs::create_dir_all(root.path("sys/class/net")).unwrap();
    symlink(device.join("net/eth0"), root.path("sys/class/net/eth0")).unwrap();
    let (report, _) = root.image("this-machine").unwrap();
    assert!(report.modules.iter().any(|name| name == "fast_nic"));

    fs::write(
        device.join("modalias"),
        "pci:v0000FFFFd0000FFFFsv0sd0bc02sc00i00",
    )
    .unwrap();
    let error = root.image("this-machine").unwrap_err().to_string();
    assert_eq!(
        error,
        "kernel 6.1.0-50-amd64 has no driver for this machine's eth0 \
         (pci:v0000FFFFd0000FFFFsv0sd0bc02sc00i00)"
    );
}

#[test]
fn two_roots_with_the_same_files_give_the_same_image() {
    let (one, two) = (FakeRoot::new(), FakeRoot::new());
    // Another order of creation, other times.
    let path = format!("usr/lib/modules/{VERSION}/kernel/fs/nfs/nfs.ko.xz");
    let content = fs::read(two.path(&path)).unwrap();
    fs::remove_file(two.path(&path)).unwrap();
    two.file("usr/lib/modules/something", b"");
    two.file(&path, &content);
    let (_, one) = one.image("netboot").unwrap();
    let (_, two) = two.image("netboot").unwrap();
    assert!(one == two);
}

#[test]
fn any_number_of_threads_gives_the_same_image() {
    let root = FakeRoot::new();
    // Several jobs of 8 MiB, neither empty nor noise.
    let mut state = 1_u64;
    let content: Vec<u8> = (0..28 << 20)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 60) as u8
        })
        .collect();
    root.file("large", &content);
    let text = "[[file]]\npath = '/large'\nfrom = '/large'\n";
    let contents = Contents::parse("test", text).unwrap();
    let (_, one) = root.image_with("", &contents, 1).unwrap();
    for threads in [2, 3, 8] {
        let (_, image) = root.image_with("", &contents, threads).unwrap();
        assert!(image == one, "{threads} threads");
    }
    // No threads asked for is one.
    assert!(root.image_with("", &contents, 0).unwrap().1 == one);
    assert_eq!(read_image(&one)["large"].1, content);
}

#[test]
fn contents_can_be_changed() {
    let root = FakeRoot::new();
    root.file("usr/bin/busybox", b"busybox");
    symlink("/usr/bin", root.path("bin")).unwrap();
    let text = "
        directories = ['/a/b']
        [[file]]
        path = '/rescue/sh'
        from = '/bin/busybox'
        mode = 0o755
        [[symlink]]
        path = '/bin/sh'
        target = '/rescue/sh'
        [set.mine]
        modules = ['overlay']
    ";
    let contents = Contents::parse("mine.toml", text).unwrap();
    let (report, image) = root.image_with("mine", &contents, 1).unwrap();
    let entries = read_image(&image);
    assert_eq!(entries["rescue/sh"], (0o100_755, b"busybox".to_vec()));
    assert_eq!(entries["bin/sh"], (0o120_777, b"/rescue/sh".to_vec()));
    assert_eq!(entries["a/b"].0, 0o040_755);
    assert_eq!(report.modules, ["overlay"]);
}

/// What an error says, with its causes.
fn sentence(result: Result<(BuildSummary, Vec<u8>), BuildError>) -> String {
    let error = result.unwrap_err();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

#[test]
fn what_is_wrong_with_a_root_is_said_with_the_fix() {
    let root = FakeRoot::new();
    let host = root.dir.path().display().to_string();
    assert_eq!(
        sentence(root.image("fast-nik")),
        "kernel 6.1.0-50-amd64 has no module \"fast-nik\"; did you mean fast_nic?"
    );
    let tree = root.path(&format!("usr/lib/modules/{VERSION}"));

    let nfs = tree.join("kernel/fs/nfs/nfs.ko.xz");
    let good = fs::read(&nfs).unwrap();
    fs::write(&nfs, &good[..good.len() / 2]).unwrap();
    let text = sentence(root.image(""));
    let place = format!("cannot use {host}/lib/modules/{VERSION}/kernel/fs/nfs/nfs.ko.xz");
    assert!(text.starts_with(&place) && text.contains("xz"), "{text}");
    fs::write(&nfs, fixture::module(183, "")).unwrap();
    let text = sentence(root.image(""));
    assert!(
        text.ends_with("nfs.ko.xz is no module for x86_64"),
        "{text}"
    );
    fs::write(&nfs, good).unwrap();

    let dep = fs::read_to_string(tree.join("modules.dep")).unwrap();
    fs::write(
        tree.join("modules.dep"),
        dep.replace("kernel/fs/nfs/nfsv3", "/nfsv3"),
    )
    .unwrap();
    let text = sentence(root.image(""));
    assert!(
        text.contains(&format!(
            "run `depmod -b {host} {VERSION}`: modules.dep, line 3"
        )),
        "{text}"
    );
    let without_nfs3: String = dep
        .lines()
        .filter(|line| !line.contains("nfsv3"))
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(tree.join("modules.dep"), without_nfs3).unwrap();
    let text = sentence(root.image(""));
    assert!(
        text.contains("has no nfsv3, neither as a module nor built in"),
        "{text}"
    );

    fs::remove_file(tree.join("modules.dep")).unwrap();
    let text = sentence(root.image(""));
    assert_eq!(
        text,
        format!(
            "{host}/lib/modules/{VERSION} has no modules.dep: run `depmod -b {host} {VERSION}`"
        )
    );
    fs::rename(&tree, tree.with_extension("gone")).unwrap();
    let text = sentence(root.image(""));
    assert!(
        text.contains(&format!("{host}/lib/modules/{VERSION} is missing")),
        "{text}"
    );
}

#[test]
fn a_kernel_without_modules_needs_none() {
    let root = FakeRoot::new();
    fs::remove_dir_all(root.path("usr/lib/modules")).unwrap();
    let config = "CONFIG_BLK_DEV_INITRD=y\nCONFIG_RD_ZSTD=y\n# CONFIG_MODULES is not set\n";
    root.file(&format!("boot/config-{VERSION}"), config.as_bytes());
    let (report, image) = root.image("netboot").unwrap();
    assert!(report.modules.is_empty());
    assert!(read_image(&image).contains_key("init"));
}

#[test]
fn a_kernel_that_cannot_unpack_an_image_is_found_out_before_it_is_booted() {
    let root = FakeRoot::new();
    for config in [
        "CONFIG_BLK_DEV_INITRD=y\n# CONFIG_RD_GZIP is not set\n",
        "CONFIG_RD_GZIP=y\n",
    ] {
        root.file(&format!("boot/config-{VERSION}"), config.as_bytes());
        let text = sentence(root.image(""));
        let says =
            format!("config-{VERSION} has not CONFIG_BLK_DEV_INITRD=y, and CONFIG_RD_ZSTD=y or");
        assert!(text.contains(&says), "{text}");
    }
}

#[test]
fn a_kernel_without_zstd_is_given_gzip() {
    let root = FakeRoot::new();
    let (by_version, _) = root.image("").unwrap();
    assert_eq!(
        by_version.compression,
        Compression::Zstd,
        "{VERSION} has it by default"
    );
    // Where Fedora has it.
    let config = "CONFIG_BLK_DEV_INITRD=y\nCONFIG_RD_GZIP=y\n# CONFIG_RD_ZSTD is not set\n";
    root.file(
        &format!("usr/lib/modules/{VERSION}/config"),
        config.as_bytes(),
    );
    let (report, image) = root.image("").unwrap();
    assert_eq!(report.compression, Compression::Gzip);
    assert_eq!(
        root.image("").unwrap().1,
        image,
        "it is the same every time"
    );
    let mut archive = Vec::new();
    let mut gzip = flate2::read::GzDecoder::new(image.as_slice());
    gzip.read_to_end(&mut archive).unwrap();
    assert_eq!(archive.len() as u64, report.uncompressed_size);
    let again = zstd::encode_all(archive.as_slice(), 1).unwrap();
    assert!(read_image(&again).contains_key("init"));
}

#[test]
fn a_module_path_that_is_a_link_out_of_the_root_stays_inside() {
    let root = FakeRoot::new();
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("nfs.ko");
    fs::write(&secret, fixture::module(62, "secret=1\0")).unwrap();
    let nfs = root.path(&format!(
        "usr/lib/modules/{VERSION}/kernel/fs/nfs/nfs.ko.xz"
    ));
    fs::remove_file(&nfs).unwrap();
    symlink(Path::new(&secret), &nfs).unwrap();
    let text = sentence(root.image(""));
    assert!(text.starts_with("cannot open"), "{text}");
}

#[test]
fn an_init_that_cannot_run_is_refused() {
    let root = FakeRoot::new();
    let opened = RootTree::open(root.dir.path()).unwrap();
    let kernel = choose_kernel(&opened, None).unwrap();
    let contents = Contents::built_in().unwrap();
    let modules = ModuleSelection::default();
    let dynamic = fs::read("/proc/self/exe").unwrap();
    for (init, fault) in [
        (b"#!/bin/sh\n".to_vec(), "no 64-bit ELF program"),
        (fixture::module(183, ""), "for another machine"),
        (dynamic, "dynamically linked"),
    ] {
        let request = BuildRequest {
            root: &opened,
            kernel: &kernel,
            modules: &modules,
            contents: &contents,
            init: &init,
            timestamp: 0,
            compression: CompressionOptions {
                level: 1,
                threads: 1,
            },
            sys: Path::new("/sys"),
        };
        let error = build(&request, std::io::sink()).unwrap_err().to_string();
        assert!(error.contains(fault), "{error}");
    }
}
