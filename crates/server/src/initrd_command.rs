//! `netroot initrd`: builds the initrd for a root, as a file.

mod options;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use netroot_initramfs::{BuildRequest, BuildSummary, Kernel, build, check};
use netroot_printable::Printable;

use rustix::thread::CapabilitySet;

pub(crate) use self::options::InitrdOptions;
use crate::confinement::identity::Identity;
use crate::confinement::seccomp::Work;
use crate::confinement::{Confinement, confine, limits};
use crate::output_file;

const EXAMPLES: &str = "\
Examples:
  netroot initrd --root /srv/debian -o initrd.img
      The newest kernel's modules for every wired NIC that machines boot from.
  netroot initrd --root /srv/debian --modules virtio_net -o initrd.img
      For virtual machines: NFS, the overlay, virtio_net and what they need.
  netroot initrd --root /srv/debian --modules this-machine,r8152 -o initrd.img
      For the NICs of this machine, and one more driver.
  netroot initrd --root /srv/debian --modules pci:8086:10d3 -o initrd.img
      For one network card, by its numbers as lspci -n prints them: its driver, its PHYs' drivers and its firmware, as
      `netroot serve` makes it for the card that iPXE boots from.

The same root, init and options give the same initrd, bit for bit; SOURCE_DATE_EPOCH is honoured.";

/// The arguments of `netroot initrd`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InitrdArgs {
    /// The directory of the root file system, with its kernel and modules where its distribution has them.
    #[arg(long, value_name = "DIR")]
    pub(crate) root: PathBuf,

    #[command(flatten)]
    pub(crate) options: InitrdOptions,

    /// The file to write; `-` is standard output.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,

    /// Build as this unprivileged user, as the server's child does.
    #[arg(long = "as", hide = true, value_name = "UID:GID")]
    pub(crate) identity: Option<Identity>,

    /// Write nothing: only look whether the initrd can be built, as `netroot check-config` does.
    #[arg(long, hide = true)]
    pub(crate) only_check: bool,

    /// List the modules and the firmware in the initrd, and the firmware that the root lacks.
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

/// Confines this process, then builds the initrd. Its contents are summarised on standard error, since the initrd may go
/// to standard output.
///
/// # Errors
/// Names the cause, the file and the remedy. The output file is then unchanged.
pub(crate) fn run(args: &InitrdArgs) -> Result<()> {
    limits::set().context("cannot limit memory and time")?;
    // Where the kernel lacks a layer, `netroot serve` says so; here it changes nothing that anybody could do about it.
    confine(&to_build(args))?;
    build_initrd(args)
}

/// What building needs: the root, which strangers may have written, is read by decompressors in C.
fn to_build(args: &InitrdArgs) -> Confinement {
    let mut read = args.options.reads();
    read.push(args.root.clone());
    // A person's own run stays that person, and may write to the output's folder whoever owns it.
    let capabilities = match args.identity {
        Some(_) => CapabilitySet::DAC_READ_SEARCH,
        None => CapabilitySet::DAC_READ_SEARCH | CapabilitySet::DAC_OVERRIDE,
    };
    Confinement {
        identity: args.identity,
        capabilities,
        read,
        write: vec![output_file::written_to(&args.output).to_owned()],
        work: Work::BuildingInitrd,
    }
}

fn build_initrd(args: &InitrdArgs) -> Result<()> {
    let parts = args.options.parts(&args.root)?;
    let request = parts.request();
    if args.only_check {
        return Ok(check(&request)?);
    }
    let built = write_initrd(&args.output, &request)?;
    print_summary(&args.output, &built, &parts.kernel, args.verbose);
    Ok(())
}

fn write_initrd(output: &Path, request: &BuildRequest<'_>) -> Result<BuildSummary> {
    output_file::write(output, "the initrd", |to| Ok(build(request, to)?))
}

fn print_summary(output: &Path, built: &BuildSummary, kernel: &Kernel, verbose: bool) {
    let mut text = summary(output, built);
    if kernel.is_without_selinux() {
        text.push_str(WITHOUT_SELINUX);
    }
    if verbose {
        details(&mut text, built);
    }
    // The initrd is written, whether or not anybody reads this.
    for line in text.lines() {
        let _ = writeln!(io::stderr(), "{}", Printable(line));
    }
}

fn summary(output: &Path, built: &BuildSummary) -> String {
    let mut text = format!(
        "{}: {} for kernel {}: {} modules, {} firmware files",
        output.display(),
        size(built.compressed_size),
        built.version,
        built.modules.len(),
        built.firmware.len()
    );
    if !built.missing_firmware.is_empty() {
        text.push_str(&format!(
            " ({} that modules may ask for are not in the root; netroot initrd -v lists them)",
            built.missing_firmware.len()
        ));
    }
    text.push('\n');
    if built.without_modules {
        let version = &built.version;
        text.push_str(&format!(
            "kernel {version} has no modules, so nothing of --modules is in the initrd: the network card's driver and \
             the NFS client have to be built in\n"
        ));
    }
    notes(&mut text, "left out", &built.left_out);
    notes(
        &mut text,
        "refused by this kernel, since it was built for another one",
        &built.refused,
    );
    if !built.unsigned.is_empty() {
        text.push_str(&unsigned(&built.unsigned));
    }
    text
}

/// What is said of drivers without a signature begins with this.
pub(crate) const UNSIGNED: &str = "without a signature";

/// Drivers that the kernel refuses on some machines.
fn unsigned(modules: &[String]) -> String {
    let named = modules.iter().take(MOST_IN_A_LINE).map(String::as_str);
    let named = named.collect::<Vec<_>>().join(", ");
    let more = match modules.len().saturating_sub(MOST_IN_A_LINE) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "{UNSIGNED}: {named}{more}; with Secure Boot the kernel refuses them: sign them with a key that is enrolled on the machines \
         (mokutil --import), or use the modules of the distribution's own kernel package\n"
    )
}

/// For a root with a policy.
const WITHOUT_SELINUX: &str = "the root has a policy of SELinux, and is booted with selinux=0: NFS version 3 has no labels, \
     and without them nobody may log in; --append selinux=1 turns it on again\n";

/// The most items that are in a line; -v lists all.
const MOST_IN_A_LINE: usize = 3;

/// Each with its reason, in a line.
fn notes(text: &mut String, title: &str, items: &[(String, impl std::fmt::Display)]) {
    if items.is_empty() {
        return;
    }
    let shown = items.iter().take(MOST_IN_A_LINE);
    let shown: Vec<String> = shown.map(|(item, why)| format!("{item} ({why})")).collect();
    text.push_str(&format!("{title}: {}", shown.join(", ")));
    if let Some(more) = items
        .len()
        .checked_sub(MOST_IN_A_LINE)
        .filter(|more| *more > 0)
    {
        text.push_str(&format!(" and {more} more (netroot initrd -v lists them)"));
    }
    text.push('\n');
}

fn details(text: &mut String, built: &BuildSummary) {
    let mut list = |title: &str, items: &[String]| {
        for item in items {
            text.push_str(&format!("  {title} {item}\n"));
        }
    };
    list("module", &built.modules);
    list("built in", &built.built_in);
    list("not in this kernel", &built.absent);
    let left_out: Vec<String> = built
        .left_out
        .iter()
        .map(|(path, why)| format!("{path}: {why}"))
        .collect();
    list("left out", &left_out);
    let refused: Vec<String> = built
        .refused
        .iter()
        .map(|(name, version)| format!("{name}: built for kernel {version}"))
        .collect();
    list("refused", &refused);
    list(UNSIGNED, &built.unsigned);
    list("firmware", &built.firmware);
    let missing: Vec<String> = built
        .missing_firmware
        .iter()
        .map(|(name, module)| format!("{name} (for {module})"))
        .collect();
    list("missing firmware", &missing);
    let (format, unpacked) = (built.compression, size(built.uncompressed_size));
    text.push_str(&format!(
        "  compressed with {format}; {unpacked} uncompressed\n"
    ));
}

fn size(bytes: u64) -> String {
    // Tenths, rounded up: an initrd that exceeds a limit must not seem to meet it.
    let tenths = (bytes * 10).div_ceil(1 << 20);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: InitrdArgs,
    }

    #[test]
    fn only_a_root_and_an_output_are_required() {
        let args = Line::try_parse_from(["initrd", "--root", "/srv", "-o", "x"])
            .unwrap()
            .args;
        let options = &args.options;
        assert_eq!(options.modules, "netboot");
        assert!(options.kernel.is_none() && options.init.is_none());
        assert!(Line::try_parse_from(["initrd", "--root", "/srv"]).is_err());
        assert!(Line::try_parse_from(["initrd", "-o", "x"]).is_err());
    }

    #[test]
    fn a_failure_leaves_only_the_old_initrd() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("initrd.img");
        fs::write(&output, "old").unwrap();
        let args = InitrdArgs {
            root: folder.path().to_owned(),
            options: InitrdOptions {
                kernel: None,
                modules: "netboot".into(),
                init: None,
                contents: None,
                level: 1,
            },
            output: output.clone(),
            identity: None,
            only_check: false,
            verbose: false,
        };
        let error = build_initrd(&args).unwrap_err().to_string();
        assert!(error.contains("there is no kernel in"), "{error}");
        assert_eq!(fs::read(&output).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn sizes_are_rounded_up() {
        assert_eq!(size(10 << 20), "10.0 MiB");
        assert_eq!(size((10 << 20) + 1), "10.1 MiB");
        assert_eq!(size(1), "0.1 MiB");
    }

    #[test]
    fn missing_firmware_is_counted_and_listed_with_verbose() {
        let built = BuildSummary {
            version: "6.1".into(),
            modules: vec!["nfs".into()],
            missing_firmware: vec![("tigon/tg3.bin".into(), "tg3".into())],
            compressed_size: 1 << 20,
            ..BuildSummary::default()
        };
        let text = summary(Path::new("i.img"), &built);
        assert_eq!(
            text,
            "i.img: 1.0 MiB for kernel 6.1: 1 modules, 0 firmware files \
             (1 that modules may ask for are not in the root; netroot initrd -v lists them)\n"
        );
        let mut text = String::new();
        details(&mut text, &built);
        assert!(
            text.contains("  missing firmware tigon/tg3.bin (for tg3)\n"),
            "{text}"
        );
    }
}
