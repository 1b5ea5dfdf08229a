//! Builds the init into the server, so that there is one binary to install.
//!
//! For each architecture an environment variable selects the init:
//!
//! | variable | default | alternatives |
//! |---|---|---|
//! | `NETROOT_INIT_X86_64` | `build` | `none`, or the path of an init |
//! | `NETROOT_INIT_AARCH64` | `none` | `build`, or the path of an init |
//!
//! `build` runs cargo with a target folder of its own, since the outer cargo holds the lock of the
//! usual one. It runs again only when the sources of the init change.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// An architecture whose init can be built in.
struct Architecture {
    /// The constant in `embedded_init.rs`.
    name: &'static str,
    /// The variable that says what is carried.
    variable: &'static str,
    default: &'static str,
    target: &'static str,
    /// `e_machine` of its ELF files.
    machine: u16,
}

const ARCHITECTURES: [Architecture; 2] = [
    Architecture {
        name: "X86_64",
        variable: "NETROOT_INIT_X86_64",
        default: "build",
        target: "x86_64-unknown-linux-musl",
        machine: 62,
    },
    Architecture {
        name: "AARCH64",
        variable: "NETROOT_INIT_AARCH64",
        default: "none",
        target: "aarch64-unknown-linux-musl",
        machine: 183,
    },
];

/// The sources of the init, relative to the workspace.
const SOURCES: [&str; 11] = [
    "crates/efi",
    "crates/init",
    "crates/kmod",
    "crates/net",
    "crates/printable",
    "crates/proto",
    "crates/spelling",
    "crates/sys",
    "Cargo.toml",
    "Cargo.lock",
    ".cargo/config.toml",
];

/// Variables of the outer cargo that are passed to the inner one; every other `CARGO_…` is about the
/// outer build (its target folder, flags, profile) and would change the inner one.
const KEPT: [&str; 8] = [
    "CARGO_HOME",
    "CARGO_MAKEFLAGS",
    "CARGO_NET_",
    "CARGO_HTTP_",
    "CARGO_REGISTRIES_",
    "CARGO_REGISTRY_",
    "CARGO_SOURCE_",
    "CARGO_TERM_",
];

fn main() -> ExitCode {
    match embed() {
        Ok(()) => ExitCode::SUCCESS,
        Err(lines) => {
            for line in lines.lines() {
                println!("cargo::error={line}");
            }
            ExitCode::FAILURE
        }
    }
}

/// A build script has one reader, who needs the sentence: its errors are sentences.
fn embed() -> Result<(), String> {
    let out = variable("OUT_DIR")?;
    let manifest = variable("CARGO_MANIFEST_DIR")?;
    let workspace = manifest
        .ancestors()
        .nth(2)
        .ok_or("the server is not two folders below the workspace")?;
    let mut builds = false;
    let mut source = String::new();
    for architecture in &ARCHITECTURES {
        println!("cargo::rerun-if-env-changed={}", architecture.variable);
        let choice = env::var(architecture.variable).unwrap_or(architecture.default.to_owned());
        let program = match choice.as_str() {
            "none" | "" => None,
            "build" => {
                builds = true;
                Some(build(architecture, workspace, &out)?)
            }
            path => {
                // Relative to where the person who set it most likely is.
                let path = workspace.join(path);
                println!("cargo::rerun-if-changed={}", path.display());
                Some(path)
            }
        };
        source.push_str("/// The init for this architecture, where it is carried.\n");
        let name = architecture.name;
        match program {
            Some(program) => {
                let file = carry(architecture, &program, &out)?;
                source.push_str(&format!(
                    "pub(super) const {name}: Option<&[u8]> = Some(include_bytes!({file:?}));\n"
                ));
            }
            None => source.push_str(&format!("pub(super) const {name}: Option<&[u8]> = None;\n")),
        }
    }
    if builds {
        for path in SOURCES {
            println!("cargo::rerun-if-changed={}", workspace.join(path).display());
        }
    }
    write(&out.join("embedded_init.rs"), source.as_bytes())
}

/// Builds the init: the path of the program.
fn build(architecture: &Architecture, workspace: &Path, out: &Path) -> Result<PathBuf, String> {
    let target = architecture.target;
    require_target(target)?;
    let folder = target_folder(workspace, out).join("embed");
    let mut cargo = Command::new(variable("CARGO")?);
    for (name, _) in env::vars_os() {
        if speaks_of_the_outer_build(&name, target) {
            cargo.env_remove(name);
        }
    }
    // The init is the same wherever it is built: its messages have no paths of this machine.
    let home = env::var("CARGO_HOME").or(env::var("HOME").map(|home| home + "/.cargo"));
    let remap = [
        (home.unwrap_or_default(), "/cargo"),
        (workspace.display().to_string(), "/netroot"),
    ];
    let flags: Vec<String> = remap
        .iter()
        .filter(|(from, _)| !from.is_empty())
        .map(|(from, to)| format!("'--remap-path-prefix={from}={to}'"))
        .collect();
    cargo
        .current_dir(workspace)
        .args(["build", "--package", "netroot-init", "--bin", "init"])
        .args(["--profile", "init", "--target", target])
        .arg("--config")
        .arg(format!("target.{target}.rustflags=[{}]", flags.join(",")))
        .arg("--target-dir")
        .arg(&folder);
    let status = cargo
        .status()
        .map_err(|error| format!("cargo cannot be run for the init: {error}"))?;
    if !status.success() {
        return Err(format!(
            "the init does not build (see above): {cargo:?}\n\
             to build the server without it, set {}=none, or to the path of a ready init",
            architecture.variable
        ));
    }
    Ok(folder.join(target).join("init/init"))
}

fn speaks_of_the_outer_build(name: &OsStr, target: &str) -> bool {
    let Some(name) = name.to_str() else {
        return false;
    };
    // The linker and flags that somebody set for this very target.
    let own = format!(
        "CARGO_TARGET_{}_",
        target.replace('-', "_").to_ascii_uppercase()
    );
    match name {
        // clippy and rust-analyzer put themselves in these: the init would be checked, not built.
        "RUSTC_WRAPPER" | "RUSTC_WORKSPACE_WRAPPER" => true,
        "RUSTFLAGS" | "RUSTDOCFLAGS" | "RUSTC_LINKER" => true,
        "TARGET" | "HOST" | "OUT_DIR" | "NUM_JOBS" | "OPT_LEVEL" | "PROFILE" | "DEBUG" => true,
        _ => {
            name.starts_with("CARGO_")
                && !name.starts_with(&own)
                && !KEPT.iter().any(|kept| name.starts_with(kept))
        }
    }
}

/// A missing target would end in pages of "can't find crate for `core`".
fn require_target(target: &str) -> Result<(), String> {
    let rustc = variable("RUSTC")?;
    let output = Command::new(&rustc)
        .args(["--print", "target-libdir", "--target", target])
        .output()
        .map_err(|error| format!("{} cannot be run: {error}", rustc.display()))?;
    let folder = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && Path::new(folder.trim()).is_dir() {
        return Ok(());
    }
    Err(format!(
        "the init is built for {target}, which this Rust toolchain has not: run `rustup target add {target}`"
    ))
}

/// The outer build's target folder: the nearest one above that cargo has marked as its own.
fn target_folder(workspace: &Path, out: &Path) -> PathBuf {
    out.ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").exists())
        .map_or_else(|| workspace.join("target"), Path::to_owned)
}

/// Checks the program and copies it to where it is included from.
fn carry(architecture: &Architecture, program: &Path, out: &Path) -> Result<PathBuf, String> {
    let bytes = fs::read(program)
        .map_err(|error| format!("cannot read the init {}: {error}", program.display()))?;
    let machine = match (bytes.get(..6), bytes.get(18..20)) {
        // 64-bit, little-endian.
        (Some(b"\x7fELF\x02\x01"), Some(&[low, high])) => Some(u16::from_le_bytes([low, high])),
        _ => None,
    };
    if machine != Some(architecture.machine) {
        let (name, variable) = (architecture.name, architecture.variable);
        let program = program.display();
        return Err(format!(
            "{program} ({variable}) is no program for {name}: give the init built for {}",
            architecture.target
        ));
    }
    let file = out.join(format!("init-{}", architecture.target));
    write(&file, &bytes)?;
    Ok(file)
}

/// Leaves a file alone that is right already, so that nothing is compiled for its time stamp.
fn write(path: &Path, content: &[u8]) -> Result<(), String> {
    if fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    fs::write(path, content).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

fn variable(name: &str) -> Result<PathBuf, String> {
    env::var_os(name)
        .map(PathBuf::from)
        .ok_or_else(|| format!("cargo did not set {name}"))
}
