//! How the small `init` is linked: identical functions folded, tables for unwinding left out.
//!
//! The standard library comes with tables that say how to unwind through every function of it. This program aborts
//! on a panic (profile `init`), so nothing reads them, and they would be an eighth of it.

use std::env;
use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=discard.ld");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|v| v == value);
    // The profile `init` alone is built for size. The arguments are those of the toolchain's own linker, which
    // .cargo/config.toml chooses for the musl targets; with another one the init is larger and just as good.
    let lld = env::var_os("RUSTC_LINKER").is_some_and(|linker| {
        Path::new(&linker)
            .file_stem()
            .is_some_and(|stem| stem == "rust-lld")
    });
    if is("CARGO_CFG_TARGET_ENV", "musl") && is("OPT_LEVEL", "z") && lld {
        let folder = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo:rustc-link-arg-bins=--icf=all");
        println!("cargo:rustc-link-arg-bins=--no-eh-frame-hdr");
        println!("cargo:rustc-link-arg-bins=-T{folder}/discard.ld");
    }
}
