//! What servers fail at: blocks of a disk that cannot be read, an inode that has been cleared, and a file on which a program of
//! the server's own has a lease.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use netroot_harness::{Net, Program};

use super::access_list::list;

/// The size of a block of the image, in bytes.
pub(crate) const BLOCK: u64 = 4096;
/// The first block that cannot be read. It and those behind it are given to no file (`mkfs.ext4 -l`).
pub(crate) const BAD: u64 = 25_000;
/// The sectors of a block, as disks count them.
const SECTORS: u64 = BLOCK / 512;
/// How many blocks the longest damaged extent has.
const LONGEST: u64 = 16;

/// The fields of an inode with the blocks where its first and its second extent begin (`ext4_extent` behind `ext4_extent_header`
/// in `fs/ext4/ext4_extents.h`, in words), and the block of its access list.
const FIRST_EXTENT: &str = "block[5]";
const SECOND_EXTENT: &str = "block[8]";
const LIST: &str = "file_acl";

/// How long a program may take until it has the lease.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is damaged, and by which field.
const DAMAGED: [(&str, &str); 7] = [
    ("damaged", FIRST_EXTENT),
    ("damaged-long", FIRST_EXTENT),
    ("damaged-end", SECOND_EXTENT),
    ("damaged-long-end", SECOND_EXTENT),
    ("damaged-link", FIRST_EXTENT),
    ("damaged-folder", FIRST_EXTENT),
    ("damaged-list", LIST),
];

/// Takes a lease for writing on a file, and gives it back when somebody wants to read it, as Samba does (fcntl(2), `F_SETLEASE`).
const LEASE: &str = r#"
open(my $file, "<", $ARGV[0]) or die "$ARGV[0]: $!";
$| = 1;
$SIG{IO} = sub { fcntl($file, 1024, 2); print "given back\n" };
fcntl($file, 1024, 1) or die "a lease on $ARGV[0]: $!";
print "leased\n";
sleep 1000 while 1;
"#;

/// Plants what [`damage`] damages, and the file for the lease.
pub(super) fn plant(root: &Path) -> Result<()> {
    let at = |name: &str| root.join(name);
    fs::write(at("leased"), "leased\n")?;
    let block = usize::try_from(BLOCK)?;
    let blocks = |count: usize| vec![b'd'; count * block];
    fs::write(at("damaged"), blocks(1))?;
    fs::write(at("damaged-long"), blocks(16))?;
    // Two extents with a hole between them.
    for (name, each) in [("damaged-end", 1), ("damaged-long-end", 16)] {
        let file = File::create(at(name))?;
        for place in [0, 2 * each] {
            file.write_all_at(&blocks(each), u64::try_from(place * block)?)?;
        }
    }
    // A shorter target would be in the inode.
    symlink("t".repeat(100), at("damaged-link"))?;
    fs::create_dir_all(at("damaged-folder/inner"))?;
    fs::write(at("damaged-folder/file"), "file")?;
    fs::write(at("damaged-list"), "damaged-list")?;
    // More entries than an inode has room for.
    let users = (1001..1031).map(|user| (2, 4, user));
    let none = u32::MAX;
    let own = [(1, 6, none)].into_iter().chain(users);
    let entries: Vec<_> = own
        .chain([(4, 4, none), (16, 4, none), (32, 0, none)])
        .collect();
    list(&at("damaged-list"), "access", &entries)?;
    fs::create_dir(at("half"))?;
    for name in ["there", "gone"] {
        fs::write(at("half").join(name), name)?;
    }
    Ok(())
}

/// Leads what is to be damaged to blocks that cannot be read, and clears an inode, in an image that is not mounted.
pub(crate) fn damage(net: &Net, image: &str) -> Result<()> {
    let lines = DAMAGED.map(|(name, field)| format!("sif {name} {field} {BAD}\n"));
    let script = net.logs().join("damage");
    fs::write(&script, format!("{}clri half/gone\n", lines.concat()))?;
    net.shell(&format!("debugfs -w -f {} {image}", script.display()))?;
    Ok(())
}

/// Cuts the image of a disk that is mounted as a loop device: what cannot be read from it is an I/O error.
pub(crate) fn cut(image: &str) -> Result<()> {
    let file = File::options()
        .write(true)
        .open(image)
        .context(image.to_owned())?;
    Ok(file.set_len(BAD * BLOCK)?)
}

/// The image as the disk of a machine, in QEMU's words, of which these blocks cannot be read.
#[allow(dead_code, reason = "only machines have it")]
pub(crate) fn disk(image: &str) -> String {
    let errors = (0..LONGEST).map(|number| {
        let (rule, sector) = (format!("inject-error.{number}"), (BAD + number) * SECTORS);
        format!(",{rule}.event=none,{rule}.iotype=read,{rule}.errno=5,{rule}.sector={sector}")
    });
    format!(
        "-blockdev driver=file,node-name=image,filename={image},read-only=on \
         -blockdev driver=blkdebug,node-name=disk,image=image,read-only=on{} \
         -device virtio-blk-pci,drive=disk,rerror=report",
        errors.collect::<String>()
    )
}

/// Has a program take a lease on the file `leased` below `root`, as this host sees it.
pub(crate) fn lease(host: &Net, root: &str) -> Result<Program> {
    let file = format!("{root}/leased");
    let holder = host.spawn(&["perl", "-e", LEASE, &file])?;
    holder.wait_for("leased", "a lease on a file", PATIENCE)?;
    Ok(holder)
}

/// Waits until such a program has given its lease back, since a server asked for it.
pub(crate) fn is_given_back(holder: &Program) -> Result<()> {
    holder.wait_for("given back", "a lease that is given back", PATIENCE)?;
    Ok(())
}

/// [`lease`] as lines of a machine's shell.
#[allow(dead_code, reason = "only machines have it")]
pub(crate) fn lease_in_shell(root: &str) -> String {
    format!(
        "cat > /run/lease.pl <<'END'\n{LEASE}\nEND\nperl /run/lease.pl {root}/leased > /run/leased &\n\
         until grep -q leased /run/leased; do sleep 1; done\n"
    )
}
