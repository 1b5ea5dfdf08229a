//! What is exported: a folder of many names and a large file, on an ext4 image.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use netroot_harness::{Net, paths};

/// The names in the folder `many`, as `crates/nfs-export/examples/load` looks them up.
const NAMES: u32 = 1000;
/// The size of the file `large`, in MiB.
const LARGE: u32 = 128;

/// Makes the image in this network.
pub(super) fn make(net: &Net, image: &Path) -> Result<()> {
    let image = image.display();
    net.shell(&format!(
        "truncate -s 200M {image}
         mkfs.ext4 -q -b 4096 {image}
         mkdir /run/tree
         mount -o loop {image} /run/tree"
    ))?;
    fill(&net.path("/run/tree"))?;
    net.shell("umount /run/tree")?;
    Ok(())
}

fn fill(root: &Path) -> Result<()> {
    let many = root.join("many");
    fs::create_dir(&many)?;
    for number in 0..NAMES {
        fs::write(many.join(format!("name-{number}")), format!("{number}\n"))?;
    }
    let file = fs::File::create(root.join("large"))?;
    let mut file = std::io::BufWriter::new(file);
    for number in 0..LARGE << 17 {
        file.write_all(&u64::from(number).to_be_bytes())?;
    }
    file.flush()?;
    // What `netroot serve` asks of a root, and where the machine mounts another one.
    let (version, kernel) = paths::debian_kernel()?;
    for folder in ["boot", "debian", "dev", "etc", "proc", "run", "sbin", "sys"] {
        fs::create_dir(root.join(folder))?;
    }
    let copy = root.join("boot").join(format!("vmlinuz-{version}"));
    fs::copy(&kernel, &copy).with_context(|| format!("copy {}", kernel.display()))?;
    let modules = root.join("lib/modules").join(version);
    fs::create_dir_all(&modules)?;
    Ok(fs::write(modules.join("modules.dep"), "")?)
}
