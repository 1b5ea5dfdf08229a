//! A root in a temporary folder, to build initrds from.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;

use netroot_initramfs::{
    BuildError, BuildRequest, BuildSummary, CompressionOptions, Contents, ModuleSelection,
    RootTree, build, choose_kernel,
};

use crate::fixture;

pub const VERSION: &str = "6.1.0-50-amd64";

/// A merged-usr root with absolute links, whose modules are compressed in every supported format.
pub struct FakeRoot {
    pub dir: tempfile::TempDir,
}

impl FakeRoot {
    pub fn new() -> FakeRoot {
        let root = FakeRoot {
            dir: tempfile::tempdir().unwrap(),
        };
        root.directory("usr/lib");
        symlink("/usr/lib", root.path("lib")).unwrap();
        root.file("boot/vmlinuz-6.1.0-50-amd64", &fixture::bzimage(VERSION));
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
        let two = compress("xz", b"firmware two");
        root.file("usr/lib/firmware/nic/two.bin.xz", &two);
        root
    }

    pub fn path(&self, inside: &str) -> std::path::PathBuf {
        self.dir.path().join(inside)
    }

    pub fn directory(&self, inside: &str) {
        fs::create_dir_all(self.path(inside)).unwrap();
    }

    pub fn file(&self, inside: &str, content: &[u8]) {
        let path = self.path(inside);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn module(&self, path: &str, modinfo: &str) {
        let content = fixture::module(62, &format!("{modinfo}path={path}\0"));
        let (_, format) = path.rsplit_once('.').unwrap();
        let inside = format!("usr/lib/modules/{VERSION}/{path}");
        self.file(&inside, &compress(format, &content));
    }

    pub fn build(&self, modules: &str) -> Result<(BuildSummary, Vec<u8>), BuildError> {
        self.build_with(modules, &Contents::built_in().unwrap(), 1)
    }

    pub fn build_with(
        &self,
        modules: &str,
        contents: &Contents,
        threads: u32,
    ) -> Result<(BuildSummary, Vec<u8>), BuildError> {
        let root = RootTree::open(self.dir.path()).unwrap();
        let kernel = choose_kernel(&root, None).unwrap();
        let modules: ModuleSelection = modules.parse().unwrap();
        let mut initrd = Vec::new();
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
        let summary = build(&request, &mut initrd)?;
        assert_eq!(summary.compressed_size, initrd.len() as u64);
        Ok((summary, initrd))
    }
}

fn compress(format: &str, content: &[u8]) -> Vec<u8> {
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

/// An error with its causes, as `netroot` prints it.
pub fn sentence(result: Result<(BuildSummary, Vec<u8>), BuildError>) -> String {
    let error = result.unwrap_err();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
