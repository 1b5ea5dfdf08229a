//! `netroot uki`: a root's kernel, an initrd and a command line as one file that firmware starts (a unified kernel image).

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use netroot_initramfs::build;
use netroot_nfs_export::HiddenPaths;
use netroot_printable::Printable;
use netroot_secure_boot::SigningKey;
use netroot_uki::KNOWN_STUBS;
use rustix::thread::CapabilitySet;
use serde::Serialize;

use crate::catalog::name_of_directory;
use crate::confinement::seccomp::Work;
use crate::confinement::{Confinement, confine, limits};
use crate::initrd_command::InitrdOptions;
use crate::json;
use crate::option_value::{appended, nfsroot};
use crate::output_file;
use crate::signing_files::{self, SigningFiles};
use crate::unified_image::{self, Ingredients, Signer, UnifiedImageError};

const EXAMPLES: &str = "\
Examples:
  netroot uki /srv/debian -o debian.efi
      Not signed: for firmware without Secure Boot.
  netroot uki /srv/debian --sign-key db.key --sign-cert db.pem -o debian.efi
      For machines that have db.pem enrolled in their variable db; nothing else is needed, no shim and no GRUB.
  openssl req -new -x509 -newkey rsa:2048 -noenc -keyout db.key -out db.pem -days 3650 -subj '/CN=Our machines'
      Makes such a key, and openssl x509 -in db.pem -outform DER -out db.cer the file that firmware's own menu enrols.

The command line in the image says `root=/dev/nfs ip=dhcp`: which root that is comes by DHCP's option 17, which
`netroot serve` sends; or name it with --nfsroot. The stub is systemd's, from the root (Debian: systemd-boot-efi).
The same root, key and options give the same image, bit for bit; SOURCE_DATE_EPOCH is honoured.

PCR 11 is what a TPM 2.0 has in its bank for SHA-256 once the stub has measured kernel, initrd and command line, as
`systemd-measure calculate --phase=:` says it; secrets can be sealed to it. systemd in the root extends it later.";

/// The arguments of `netroot uki`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct UkiArgs {
    /// The directory of the root file system, with its kernel, its modules and systemd's stub.
    #[arg(value_name = "DIR")]
    pub(crate) root: PathBuf,

    #[command(flatten)]
    pub(crate) options: InitrdOptions,

    /// Added at the end of the kernel command line. It is the same for every machine: parameters with ${mac} and the like are
    /// left out.
    #[arg(long, value_name = "TEXT", value_parser = appended)]
    pub(crate) append: Option<String>,

    /// The root is read-only, without a tmpfs over it.
    #[arg(long)]
    pub(crate) no_overlay: bool,

    /// The root that the machine mounts [default: what DHCP's option 17 says].
    #[arg(long, value_name = "ADDR:/PATH[,OPTIONS]", value_parser = nfsroot)]
    pub(crate) nfsroot: Option<String>,

    /// systemd's stub [default: the root's /usr/lib/systemd/boot/efi/linuxx64.efi.stub, or linuxaa64.efi.stub].
    #[arg(long, value_name = "FILE")]
    pub(crate) stub: Option<PathBuf>,

    /// The private key that signs the image, as PEM: RSA, without a password.
    #[arg(long, value_name = "FILE", requires = "sign_cert")]
    pub(crate) sign_key: Option<PathBuf>,

    /// Its certificate, as PEM; those of its issuers may follow in the file.
    #[arg(long, value_name = "FILE", requires = "sign_key")]
    pub(crate) sign_cert: Option<PathBuf>,

    /// The file to write; `-` is standard output.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,

    /// Print what is in the image as one JSON object, on standard output, instead of text on standard error.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What was made.
#[derive(Serialize)]
struct Summary<'a> {
    output: String,
    /// In bytes, with the signature.
    length: u64,
    kernel: &'a str,
    initrd_length: usize,
    command_line: &'a str,
    /// Parameters that were appended and are not in it.
    left_out: &'a [String],
    signer: Option<String>,
    /// In hexadecimal digits, of the bank for SHA-256.
    pcr_11: Option<String>,
}

/// Reads the key, confines this process, then makes the image. What is in it is said on standard error, since the image may
/// go to standard output; with `--json` it may not.
///
/// # Errors
/// Names the cause, the file and the remedy. The output file is then unchanged.
pub(crate) fn run(args: &UkiArgs) -> Result<()> {
    if args.json && args.output == Path::new("-") {
        bail!(
            "standard output takes the image (-o -) or the description of it (--json): name a file with -o"
        );
    }
    let key = match (&args.sign_key, &args.sign_cert) {
        (Some(key), Some(certificate)) => Some(SigningFiles::read(key, certificate)?.key()?),
        _ => None,
    };
    let stub = args
        .stub
        .as_ref()
        .map(|stub| signing_files::read(stub, "the stub"));
    let stub = stub.transpose()?;
    limits::set().context("cannot limit memory and time")?;
    let mut read = args.options.reads();
    read.push(args.root.clone());
    confine(&Confinement {
        identity: None,
        capabilities: CapabilitySet::DAC_READ_SEARCH | CapabilitySet::DAC_OVERRIDE,
        read,
        write: vec![output_file::written_to(&args.output).to_owned()],
        work: Work::BuildingInitrd,
    })?;

    let parts = args.options.parts(&args.root)?;
    let mut initrd = Vec::new();
    build(&parts.request(), &mut initrd)?;
    let name = name_of_directory(&args.root).unwrap_or_default();
    let append = args.append.as_deref();
    let (nfsroot, overlay) = (args.nfsroot.as_deref(), !args.no_overlay);
    let command_line = unified_image::command_line(&name, &parts.kernel, nfsroot, overlay, append);
    let ingredients = Ingredients {
        root: &parts.root,
        hidden: &HiddenPaths::default(),
        kernel: &parts.kernel,
        initrd_length: initrd.len() as u64,
        stub: stub.as_deref(),
        command_line: &command_line.line,
        signer: key.as_ref().map(|key| key as &dyn Signer),
    };
    let written = output_file::write(&args.output, "the image", |to| {
        match unified_image::write(&ingredients, &mut &*initrd, to) {
            Err(error @ UnifiedImageError::NoStub { .. }) => {
                Err(error).context("no stub was named with --stub")
            }
            written => Ok(written?),
        }
    })?;
    let summary = Summary {
        output: args.output.display().to_string(),
        length: written.length,
        kernel: &parts.kernel.version,
        initrd_length: initrd.len(),
        command_line: &command_line.line,
        left_out: &command_line.left_out,
        signer: key.as_ref().map(SigningKey::signer),
        pcr_11: written.pcr_11.map(|value| value.to_string()),
    };
    if args.json {
        let text = json::to_string(&summary)? + "\n";
        let printed = io::stdout().write_all(text.as_bytes());
        return printed.context("writing to standard output");
    }
    // The image is written, whether or not anybody reads this.
    for line in summary.text().lines() {
        let _ = writeln!(io::stderr(), "{}", Printable(line));
    }
    Ok(())
}

impl Summary<'_> {
    fn text(&self) -> String {
        let mut text = format!(
            "{}: {} bytes, kernel {}, initrd {} bytes\ncommand line: {}\n",
            self.output, self.length, self.kernel, self.initrd_length, self.command_line,
        );
        for left_out in self.left_out {
            text += &format!(
                "left out, since it differs between machines, and an image has one command line: {left_out}\n"
            );
        }
        text += &match &self.signer {
            Some(signer) => format!("signed by {signer}\n"),
            None => {
                "not signed: firmware with Secure Boot refuses it (--sign-key and --sign-cert sign it)\n"
                    .to_owned()
            }
        };
        text += &match &self.pcr_11 {
            Some(value) => format!("PCR 11 after the stub (SHA-256): {value}\n"),
            None => format!(
                "PCR 11 is not predicted: it is not known what this stub measures (of those of {KNOWN_STUBS} it is)\n"
            ),
        };
        text
    }
}
