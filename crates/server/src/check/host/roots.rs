//! The images: kernel, modules, initrd, and the boot loaders for them.

use std::error::Error;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use netroot_initramfs::{Architecture, RootTree, choose_kernel};

use crate::catalog::name_of_directory;
use crate::check::finding::{Finding, Level};
use crate::check::subject::Subject;
use crate::check_kernel;
use crate::initrd_command::UNSIGNED;
use crate::live_folder;
use crate::serve::artifacts::{loaders, signed_ipxe};
use crate::serve::events::Warning;
use crate::serve::opened::Opened;
use crate::settings::{ImageSettings, InitrdSource, RootSettings};

/// How long an initrd may take, at the fastest level of compression.
const BUILD: Duration = Duration::from_secs(120);

/// iPXE's binaries.
pub(super) fn loaders(subject: &Subject) -> Vec<Finding> {
    let found = loaders::find(subject.settings.ipxe.as_deref());
    let names: Vec<&str> = found.files.iter().map(|(name, _)| *name).collect();
    let mut findings = Vec::new();
    if !names.is_empty() {
        findings.push(Finding::ok("loader", format!("found {}", names.join(", "))));
    }
    for pair in found.signed.iter().flatten() {
        findings.push(Finding::ok("loader", pair.description()));
    }
    for error in signed_ipxe::faults(&found.signed) {
        let text = Warning::SignedIpxe { error }.to_string();
        findings.push(Finding::warning("loader", text));
    }
    findings.extend(found.missed(&architectures(subject)).map(|missing| {
        let text = Warning::from(missing).to_string();
        Finding::problem("loader", text)
    }));
    findings
}

/// The processors that the roots' kernels are for, as far as they are found. Files are taken for a PC's, as by the server.
fn architectures(subject: &Subject) -> Vec<Architecture> {
    let roots = subject.settings.catalog.roots();
    let kernels = roots.filter_map(|(_, root)| {
        let tree = RootTree::open(&root.directory).ok()?;
        choose_kernel(&tree, root.kernel.as_deref()).ok()
    });
    let images = subject.settings.catalog.images.iter();
    let files = images.filter(|image| image.source.root().is_none());
    kernels
        .map(|kernel| kernel.architecture)
        .chain(files.map(|_| Architecture::X86_64))
        .collect()
}

/// One image, by its name.
pub(super) fn look(image: &ImageSettings, progress: impl Fn(&str)) -> Vec<Finding> {
    let mut findings = look_at(image, progress);
    // What nothing before has found, and serving would end with.
    let is_fine = findings.iter().all(|one| one.level < Level::Problem);
    if let Some(error) = Opened::open(image).err().filter(|_| is_fine) {
        findings.push(Finding::failed("image", &error));
    }
    named(image, &mut findings);
    findings
}

/// Puts the image's name before each.
pub(super) fn named(image: &ImageSettings, findings: &mut [Finding]) {
    let name = match (&image.name, image.source.root()) {
        (Some(name), _) => Some(name.clone()),
        (None, root) => root.and_then(|root| name_of_directory(&root.directory).ok()),
    };
    for finding in findings {
        if let Some(name) = &name {
            finding.text = format!("{name}: {}", finding.text);
        }
    }
}

fn look_at(image: &ImageSettings, progress: impl Fn(&str)) -> Vec<Finding> {
    if let Some(root) = image.source.root() {
        return match look_at_root(root, progress) {
            Ok(findings) => findings,
            Err(finding) => vec![*finding],
        };
    }
    let files = image.source.files().into_iter();
    files
        .map(|file| match std::fs::File::open(file) {
            Ok(_) => Finding::ok("image", file.display().to_string()),
            Err(error) => {
                Finding::problem("image", format!("cannot read {}: {error}", file.display()))
            }
        })
        .collect()
}

fn look_at_root(
    root: &RootSettings,
    progress: impl Fn(&str),
) -> Result<Vec<Finding>, Box<Finding>> {
    let failed = |about, error: &dyn Error| Box::new(Finding::failed(about, error));
    let directory = &root.directory;
    let tree = RootTree::open(directory).map_err(|error| failed("root", &error))?;
    let tree = match root.submounts || root.nfsroot.is_some() {
        true => tree,
        false => tree.without_mounts(),
    };
    if matches!(root.initrd, InitrdSource::Build { .. }) {
        live_folder::refuse(&tree, directory).map_err(|error| failed("root", &error))?;
    }
    let kernel =
        choose_kernel(&tree, root.kernel.as_deref()).map_err(|error| failed("kernel", &error))?;
    let mut findings = Vec::new();
    let path = tree.host_path(&kernel.path);
    if root.hidden.hide(&kernel.path) {
        let text = format!("the kernel {} is hidden from machines", path.display());
        findings.push(
            Finding::problem("kernel", text).cured_by("leave it out of what is hidden (--hide)"),
        );
    }
    findings.push(Finding::ok(
        "kernel",
        format!("Linux {} ({})", kernel.version, path.display()),
    ));
    let configuration = format!("/boot/config-{}", kernel.version);
    findings.push(match tree.open_file(&configuration) {
        Err(_) => Finding::note(
            "kernel",
            format!("{configuration} is not in the root: whether this kernel can boot from NFS is not known"),
        ),
        Ok(_) => match check_kernel::reasons(&tree.host_path(&configuration)) {
            Ok(reasons) if reasons.is_empty() => {
                Finding::ok("kernel", format!("Linux {} can boot from NFS", kernel.version))
            }
            Ok(reasons) => Finding::problem(
                "kernel",
                format!("Linux {} cannot boot from NFS: {}", kernel.version, reasons.join("; ")),
            ),
            Err(error) => Finding::warning("kernel", format!("{error:#}")),
        },
    });
    if let InitrdSource::Build { modules, init } = &root.initrd {
        progress("building the initrd, to see whether that works");
        let kernel = root.kernel.as_deref();
        findings.extend(build(directory, kernel, modules, init.as_deref()));
    } else if let InitrdSource::File(file) = &root.initrd {
        findings.push(match std::fs::File::open(file) {
            Ok(_) => Finding::ok("initrd", file.display().to_string()),
            Err(error) => {
                Finding::problem("initrd", format!("cannot read {}: {error}", file.display()))
            }
        });
    }
    Ok(findings)
}

/// Has this program build the initrd, confined as always, and throws it away.
fn build(
    directory: &Path,
    kernel: Option<&str>,
    modules: &str,
    init: Option<&Path>,
) -> Vec<Finding> {
    let mut command = Command::new("/proc/self/exe");
    command.arg("initrd").arg("--root").arg(directory);
    command.args([
        "--modules",
        modules,
        "--level",
        "1",
        "--output",
        "/dev/null",
    ]);
    if let Some(kernel) = kernel {
        command.args(["--kernel", kernel]);
    }
    if let Some(init) = init {
        command.arg("--init").arg(init);
    }
    let output = tempfile::tempfile().and_then(|said| {
        let stderr = said.try_clone()?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr);
        Ok((command.spawn()?, said))
    });
    let (mut child, said) = match output {
        Ok(started) => started,
        Err(error) => {
            let text = format!("cannot be tried: {error}");
            return vec![Finding::warning("initrd", text)];
        }
    };
    let end = Instant::now() + BUILD;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(20)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                let text = format!("the initrd is not built after {} s", BUILD.as_secs());
                return vec![Finding::warning("initrd", text)];
            }
        }
    };
    let said = text_of(said);
    let mut lines = said.lines().map(str::trim);
    if !status.success() {
        let last = lines.rfind(|line| !line.is_empty());
        let last = last.unwrap_or("it cannot be built");
        let text = last.trim_start_matches("netroot: ");
        return vec![Finding::problem("initrd", text)];
    }
    let unsigned = lines.find(|line| line.starts_with(UNSIGNED));
    let unsigned = unsigned.map(|line| Finding::warning("initrd", format!("drivers {line}")));
    let built = Finding::ok("initrd", format!("can be built ({modules})"));
    [built].into_iter().chain(unsigned).collect()
}

fn text_of(mut said: std::fs::File) -> String {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut text = String::new();
    let _ = said.seek(SeekFrom::Start(0));
    let _ = said.take(64 << 10).read_to_string(&mut text);
    text
}
