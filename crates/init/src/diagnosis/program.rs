//! Whether the kernel can run a program, judged by its first bytes, before the initrd is deleted for it. Pure.
//!
//! Only what is certainly wrong is rejected; the kernel may know more formats (`binfmt_misc`).

use std::borrow::Cow;
use std::fmt;

/// How much of a program is read: the ELF header, the program headers and the interpreter's name, in bytes.
pub(crate) const HEAD: usize = 4096;
/// The longest first line of a script that the kernel reads (`BINPRM_BUF_SIZE`).
const FIRST_LINE: usize = 256;
/// The program header that names the dynamic loader.
const PT_INTERP: u32 = 3;

/// Architectures by their number in ELF files (include/uapi/linux/elf-em.h).
const ARCHITECTURES: [(u16, &str); 9] = [
    (3, "i386"),
    (8, "mips"),
    (21, "ppc64"),
    (22, "s390x"),
    (40, "arm"),
    (62, "x86_64"),
    (183, "aarch64"),
    (243, "riscv"),
    (258, "loongarch64"),
];

/// The architectures whose programs this machine's kernel may run.
const OWN: &[u16] = if cfg!(target_arch = "x86_64") {
    &[62, 3]
} else if cfg!(target_arch = "aarch64") {
    &[183, 40]
} else {
    &[]
};

/// What a program is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It is run by this other program: a script's interpreter, or a dynamic loader.
    InterpretedBy(String),
    /// No reason is known why it could not be executed.
    Executable,
    /// The kernel would refuse it.
    NotExecutable(NotExecutable),
}

/// Why the kernel would refuse a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotExecutable {
    /// It is for another architecture, by its number in ELF files.
    WrongArchitecture(u16),
    /// It is neither an ELF file nor a script.
    NotAProgram,
    /// The root does not have its interpreter.
    NoInterpreter(String),
    /// Its interpreter is in `/usr`, and the root does not have the link at its top.
    NoLink(String),
    /// The server does not let root execute it.
    Refused,
}

impl NotExecutable {
    /// What to do about it.
    pub(crate) fn advice(&self) -> Cow<'static, str> {
        match self {
            Self::WrongArchitecture(_) => {
                "export a root that was made for this machine's processor".into()
            }
            Self::NotAProgram => "repair it, or choose another program with init=".into(),
            Self::NoInterpreter(_) => {
                "complete the root, or choose another program with init=".into()
            }
            Self::Refused => {
                "make it executable for everybody, or export this root with no_root_squash".into()
            }
            Self::NoLink(path) => {
                let top = path.split('/').find(|name| !name.is_empty());
                let top = top.unwrap_or_default();
                format!("make the link {top} in the exported directory (ln -s usr/{top} {top})")
                    .into()
            }
        }
    }
}

impl fmt::Display for NotExecutable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongArchitecture(number) => {
                let own = std::env::consts::ARCH;
                match ARCHITECTURES.iter().find(|(known, _)| known == number) {
                    Some((_, name)) => write!(f, "is for {name} and this machine is {own}"),
                    None => write!(
                        f,
                        "is for another processor (ELF machine {number}) and this machine is {own}"
                    ),
                }
            }
            Self::NotAProgram => f.write_str("is neither a program nor a script"),
            Self::NoInterpreter(path) => {
                write!(f, "is run by {path}, which the root does not have")
            }
            Self::Refused => f.write_str(
                "may not be executed by root, says the server, which may map uid 0 to nobody",
            ),
            Self::NoLink(path) => {
                write!(f, "is run by {path}, which the root has as /usr{path} only")
            }
        }
    }
}

/// Classifies a program by its first bytes, for a machine that runs programs of these architectures.
fn kind_for(head: &[u8], own: &[u16]) -> Kind {
    if let Some(line) = head.strip_prefix(b"#!") {
        let line = line.get(..FIRST_LINE).unwrap_or(line);
        let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let mut words = line.split(|byte| matches!(byte, b' ' | b'\t' | 0));
        return match words.find(|word| !word.is_empty()) {
            Some(path) => Kind::InterpretedBy(String::from_utf8_lossy(path).into_owned()),
            None => Kind::NotExecutable(NotExecutable::NotAProgram),
        };
    }
    let Some(elf) = Elf::read(head) else {
        return Kind::NotExecutable(NotExecutable::NotAProgram);
    };
    if !own.is_empty() && !own.contains(&elf.machine) {
        return Kind::NotExecutable(NotExecutable::WrongArchitecture(elf.machine));
    }
    match elf.interpreter() {
        Some(path) => Kind::InterpretedBy(path),
        None => Kind::Executable,
    }
}

/// Classifies a program by its first bytes.
pub(crate) fn kind(head: &[u8]) -> Kind {
    kind_for(head, OWN)
}

/// The beginning of an ELF file (elf(5)).
struct Elf<'a> {
    head: &'a [u8],
    wide: bool,
    little: bool,
    machine: u16,
}

impl<'a> Elf<'a> {
    fn read(head: &'a [u8]) -> Option<Self> {
        let rest = head.strip_prefix(b"\x7fELF")?;
        let mut elf = Elf {
            head,
            wide: *rest.first()? == 2,
            little: *rest.get(1)? == 1,
            machine: 0,
        };
        elf.machine = u16::try_from(elf.number(18, 2)?).ok()?;
        Some(elf)
    }

    /// The dynamic loader, if its name is within what was read.
    fn interpreter(&self) -> Option<String> {
        let (first, size, count) = if self.wide {
            (
                self.number(32, 8)?,
                self.number(54, 2)?,
                self.number(56, 2)?,
            )
        } else {
            (
                self.number(28, 4)?,
                self.number(42, 2)?,
                self.number(44, 2)?,
            )
        };
        (0..count).find_map(|index| {
            let header = first.checked_add(index.checked_mul(size)?)?;
            let header = usize::try_from(header).ok()?;
            if self.number(header, 4)? != u64::from(PT_INTERP) {
                return None;
            }
            let (at, length) = if self.wide { (8, 32) } else { (4, 16) };
            let word = if self.wide { 8 } else { 4 };
            let from = usize::try_from(self.number(header.checked_add(at)?, word)?).ok()?;
            let length = usize::try_from(self.number(header.checked_add(length)?, word)?).ok()?;
            let name = self.head.get(from..from.checked_add(length)?)?;
            let name = name.split(|byte| *byte == 0).next()?;
            Some(String::from_utf8_lossy(name).into_owned())
        })
    }

    /// An unsigned integer of `bytes` bytes at offset `at`.
    fn number(&self, at: usize, bytes: usize) -> Option<u64> {
        let bytes = self.head.get(at..at.checked_add(bytes)?)?;
        let join = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if self.little {
            bytes.iter().rev().fold(0, join)
        } else {
            bytes.iter().fold(0, join)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A minimal 64-bit ELF file for an architecture, with a dynamic loader.
    fn elf(machine: u16) -> Vec<u8> {
        let mut file = vec![0; 256];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[18..20].copy_from_slice(&machine.to_le_bytes());
        file[32] = 64;
        file[54] = 56;
        file[56] = 2;
        // The second program header.
        file[120] = 3;
        file[128] = 200;
        file[152] = 10;
        file[200..210].copy_from_slice(b"/lib/ld.1\0");
        file
    }

    #[test]
    fn a_program_for_another_architecture_is_rejected() {
        let foreign = |machine| Kind::NotExecutable(NotExecutable::WrongArchitecture(machine));
        assert_eq!(kind_for(&elf(183), &[62, 3]), foreign(183));
        assert_eq!(kind_for(&elf(62), &[183, 40]), foreign(62));
        assert_eq!(
            kind_for(&elf(62), &[62, 3]),
            Kind::InterpretedBy("/lib/ld.1".into())
        );
        assert_eq!(
            kind_for(&elf(183), &[]),
            Kind::InterpretedBy("/lib/ld.1".into())
        );
        let text = NotExecutable::WrongArchitecture(183).to_string();
        assert!(text.starts_with("is for aarch64 and this machine is "));
    }

    #[test]
    fn scripts_are_distinguished_from_other_files() {
        for (head, kind) in [
            (
                &b"#! /bin/sh -e\necho"[..],
                Kind::InterpretedBy("/bin/sh".into()),
            ),
            (b"#!/bin/sh", Kind::InterpretedBy("/bin/sh".into())),
            (b"#!\n", Kind::NotExecutable(NotExecutable::NotAProgram)),
            (b"", Kind::NotExecutable(NotExecutable::NotAProgram)),
            (
                b"echo hello\n",
                Kind::NotExecutable(NotExecutable::NotAProgram),
            ),
            (b"\x7fELF", Kind::NotExecutable(NotExecutable::NotAProgram)),
        ] {
            assert_eq!(super::kind(head), kind, "{head:?}");
        }
    }

    #[test]
    fn the_program_that_runs_this_test_is_accepted() {
        let own = std::fs::read("/proc/self/exe").unwrap();
        assert!(!matches!(kind(&own[..HEAD]), Kind::NotExecutable(_)));
    }

    proptest! {
        #[test]
        fn any_first_bytes_are_classified_without_a_panic(
            mut head in proptest::collection::vec(any::<u8>(), 0..300),
            elf in any::<bool>(),
        ) {
            if elf {
                head.splice(..0, *b"\x7fELF\x02\x01");
            }
            let _ = kind(&head);
        }
    }
}
