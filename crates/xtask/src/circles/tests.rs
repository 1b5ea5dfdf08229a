#![allow(clippy::unwrap_used)]

use super::{graph, resolve, tree};

/// The circles of the crate that these files are, each as its files' names. `lib.rs` is the root.
fn circles(files: &[(&str, &str)]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let modules = tree::Modules::read(&folder.path().join("lib.rs")).unwrap();
    let prefix = format!("{}/", folder.path().display());
    graph::circles(&modules, &resolve::uses(&modules))
        .into_iter()
        .map(|circle| circle.parts.join(" ").replace(&prefix, ""))
        .collect()
}

const NONE: [&str; 0] = [];

#[test]
fn a_circle_by_use_is_found() {
    let found = circles(&[
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::b::B; pub struct A(B);"),
        ("b.rs", "use crate::{c::C, c}; pub struct B(C);"),
        (
            "c.rs",
            "use super::a::{A as First}; pub struct C(Box<First>);",
        ),
    ]);
    assert_eq!(found, ["a.rs b.rs c.rs"]);
}

#[test]
fn a_circle_by_a_bare_path_is_found() {
    let found = circles(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "pub fn a() -> u8 { crate::b::B }"),
        (
            "b.rs",
            "pub const B: u8 = 1; pub fn b() { use crate::a; a::a(); }",
        ),
    ]);
    assert_eq!(found, ["a.rs b.rs"]);
}

#[test]
fn a_circle_by_super_is_found() {
    let found = circles(&[
        ("lib.rs", "mod a;"),
        ("a.rs", "mod b; pub struct A(b::B);"),
        ("a/b.rs", "pub struct B; impl B { fn a(_: super::A) {} }"),
    ]);
    assert_eq!(found, ["a/b.rs a.rs"]);
}

#[test]
fn a_circle_by_a_macros_or_attributes_tokens_is_found() {
    let found = circles(&[
        ("lib.rs", "mod a; mod b; mod c;"),
        (
            "a.rs",
            "pub fn a() { println!(\"{}\", vec![crate::b::B]); }",
        ),
        (
            "b.rs",
            "pub const B: u8 = 1; #[derive(Debug)] #[error(\"{}\", crate::c::C)] struct E;",
        ),
        (
            "c.rs",
            "pub const C: u8 = 1; macro_rules! m { () => { $crate::a::a() } }",
        ),
    ]);
    assert_eq!(found, ["a.rs b.rs c.rs"]);
}

#[test]
fn a_circle_by_a_glob_is_found() {
    let found = circles(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b::*; pub struct A(B);"),
        ("b.rs", "pub struct B; fn b(_: super::a::A) {}"),
    ]);
    assert_eq!(found, ["a.rs b.rs"]);
}

#[test]
fn a_re_export_is_followed_to_the_definition() {
    let siblings = [
        ("lib.rs", "mod a;"),
        (
            "a.rs",
            "mod b; mod c; pub use self::b::B; use c::C; pub fn a(_: B, _: C) {}",
        ),
        ("a/b.rs", "pub struct B;"),
        ("a/c.rs", "pub struct C(super::B, crate::a::B);"),
    ];
    assert_eq!(circles(&siblings), NONE);
    let circle = [
        ("lib.rs", "mod a; mod c;"),
        ("a.rs", "mod b; pub use b::*;"),
        ("a/b.rs", "pub struct B; fn b() { crate::c::c() }"),
        ("c.rs", "pub fn c() { crate::a::B; }"),
    ];
    assert_eq!(circles(&circle), ["a/b.rs c.rs"]);
}

#[test]
fn folders_that_use_each_other_are_a_circle() {
    let mut files = vec![
        (
            "lib.rs",
            "mod a { pub mod x; pub mod y; } mod b { pub mod x; pub mod y; }",
        ),
        ("a/x.rs", "pub struct X(crate::b::x::X);"),
        ("a/y.rs", "pub struct Y;"),
        ("b/x.rs", "pub struct X;"),
        ("b/y.rs", "pub struct Y;"),
    ];
    assert_eq!(circles(&files), NONE);
    files[4].1 = "pub struct Y(crate::a::y::Y);";
    assert_eq!(circles(&files), ["crate::a crate::b"]);
}

#[test]
fn a_circle_names_its_files_the_names_and_their_lines() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("main.rs", "mod a;\nmod b;");
    write(
        "a.rs",
        "use crate::b::{\n    B,\n    C,\n};\nfn a(_: B, _: C) {}",
    );
    write(
        "b.rs",
        "pub struct B;\npub struct C;\nfn b() {\n    crate::a::a()\n}",
    );
    let modules = tree::Modules::read(&folder.path().join("main.rs")).unwrap();
    let circles = graph::circles(&modules, &resolve::uses(&modules));
    let text = circles.first().unwrap().describe(folder.path());
    let expected = "a circle of a.rs, b.rs:\n  a.rs -> b.rs: B (line 2), C (line 3)\n  b.rs -> a.rs: a (line 4)";
    assert_eq!(text, expected);
}

#[test]
fn a_declaration_and_a_module_imported_for_its_name_are_no_dependency() {
    let found = circles(&[
        ("lib.rs", "mod a; pub struct L; pub(in crate::a) struct P;"),
        ("a.rs", "mod b; use crate::L; pub struct A(L);"),
        (
            "a/b.rs",
            "use crate::a; pub(super) struct B(super::super::L); use a::b;",
        ),
    ]);
    assert_eq!(found, NONE);
}

#[test]
fn tests_comments_documentation_and_strings_do_not_count() {
    let found = circles(&[
        ("lib.rs", "mod a; mod b;"),
        (
            "a.rs",
            "use crate::b::B; pub struct A(B); #[cfg(test)] mod tests; #[cfg(all(test, unix))] use crate::b;",
        ),
        (
            "b.rs",
            "//! See [`crate::a::A`].\n/* crate::a::A */ pub struct B; // crate::a::A\n\
             /// [A](crate::a::A)\n#[doc = \"crate::a::A\"] pub fn b() -> &'static str { \"crate::a::A\" }\n\
             #[cfg(test)] mod tests { use crate::a::A; }\n#[cfg(test)] use crate::a::A;\n\
             #[test] fn t() { crate::a::A; }\nimpl B { #[cfg(test)] fn t(_: crate::a::A) {} }",
        ),
    ]);
    assert_eq!(found, NONE);
}

#[test]
fn code_that_is_not_only_for_tests_counts() {
    for condition in ["any(test, unix)", "not(test)", "feature = \"test\""] {
        let b = format!("pub struct B; #[cfg({condition})] fn b(_: crate::a::A) {{}}");
        let found = circles(&[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "pub struct A(crate::b::B);"),
            ("b.rs", &b),
        ]);
        assert_eq!(found, ["a.rs b.rs"], "{condition}");
    }
}

#[test]
fn other_crates_names_do_not_count() {
    let found = circles(&[
        ("lib.rs", "mod a; mod io; use std::io::Read; use serde;"),
        (
            "a.rs",
            "use std::io::{self, Write}; fn a() { io::stdout(); ::io::b(); } pub struct A(super::Read);",
        ),
        ("io.rs", "use crate::a::A; pub fn b(_: A) {} use serde;"),
    ]);
    assert_eq!(found, NONE);
}

#[test]
fn a_module_inside_a_file_is_a_part_of_that_file() {
    let found = circles(&[
        (
            "lib.rs",
            "mod a { mod b; mod c { use super::b::B; pub struct C(B); } struct D; }",
        ),
        ("a/b.rs", "pub struct B(super::c::C);"),
    ]);
    assert_eq!(found, ["a/b.rs lib.rs"]);
}

#[test]
fn a_file_elsewhere_is_read() {
    let found = circles(&[
        (
            "lib.rs",
            "#[path = \"x/other.rs\"] mod a; pub struct L(a::A);",
        ),
        ("x/other.rs", "pub struct A(crate::L);"),
    ]);
    assert_eq!(found, ["lib.rs x/other.rs"]);
}
