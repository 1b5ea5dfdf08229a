//! The file that a shim starts, which is compiled into it (`DEFAULT_LOADER` of its build): `\grubx64.efi` for most,
//! `\grub.efi` of openSUSE, `ipxe.efi` of iPXE. Nothing points to it, so it is looked for among the binary's strings.

/// The end of a file's name, in UTF-16 with its zero.
const END: &[u8] = b".\0e\0f\0i\0\0\0";
/// More characters than the name has without its end.
const LONGEST: usize = 32;
/// What else a shim has the names of: what it starts when it is installed, or when its owner's keys are to be changed,
/// and its lists (shim's `shim.c`, `fallback.c`).
const OTHERS: [&str; 6] = [
    "fb",
    "fallback",
    "mm",
    "MokManager",
    "revocations",
    "shim_certificate",
];

/// The name of what this shim starts, beside itself: `grubx64.efi`.
pub(crate) fn default_loader(shim: &[u8]) -> Option<String> {
    let mut rest = shim;
    let mut before = 0;
    while let Some(at) = rest.windows(END.len()).position(|window| window == END) {
        let end = before + at;
        let name = shim.get(..end).and_then(name_before);
        if let Some(name) = name.filter(|name| is_loader(name)) {
            return Some(name + ".efi");
        }
        before = end + END.len();
        rest = shim.get(before..)?;
    }
    None
}

/// The string that ends here, without the backslashes before it: a name in no folder.
fn name_before(bytes: &[u8]) -> Option<String> {
    let units = bytes.rchunks_exact(2).take(LONGEST + 1);
    let printable = |unit: &[u8]| match unit {
        [byte, 0] if byte.is_ascii_graphic() || *byte == b' ' => Some(char::from(*byte)),
        _ => None,
    };
    let reversed: Vec<char> = units.map_while(printable).collect();
    let name: String = reversed.into_iter().rev().collect();
    let name = name.trim_start_matches('\\');
    let is_usual = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let is_name = !name.is_empty() && name.len() <= LONGEST && name.chars().all(is_usual);
    is_name.then(|| name.to_owned())
}

fn is_loader(name: &str) -> bool {
    OTHERS.iter().all(|other| match name.strip_prefix(other) {
        // mmx64 and revocations_sku, but not what happens to begin so.
        Some(rest) => !matches!(rest, "" | "x64" | "aa64") && !rest.starts_with('_'),
        None => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shim(strings: &[&str]) -> Vec<u8> {
        let mut bytes = vec![0xff; 7];
        for text in strings {
            bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
            bytes.extend([0, 0]);
        }
        bytes
    }

    #[test]
    fn the_loader_is_told_from_the_other_names_in_a_shim() {
        let before = [
            r"\fbx64.efi",
            "Could not get image for bootx64.efi: %r",
            r"\EFI\BOOT\fbx64.efi",
            r"\mmx64.efi",
            "revocations_sku.efi",
        ];
        for (text, name) in [
            (r"\\grubx64.efi", "grubx64.efi"),
            (r"\grubaa64.efi", "grubaa64.efi"),
            (r"\grub.efi", "grub.efi"),
            ("ipxe.efi", "ipxe.efi"),
            (r"\mmboot.efi", "mmboot.efi"),
        ] {
            let strings = [&before[..], &[text, "shim_certificate_0.efi"]].concat();
            assert_eq!(default_loader(&shim(&strings)).as_deref(), Some(name));
            assert_eq!(default_loader(&shim(&[text])).as_deref(), Some(name));
        }
        let none = shim(&before);
        assert_eq!(default_loader(&none), None);
        for cut in 0..none.len() {
            assert_eq!(default_loader(&none[..cut]), None);
        }
        assert_eq!(default_loader(&shim(&["x".repeat(100).as_str()])), None);
        assert_eq!(default_loader(&shim(&[".efi", r"\.efi"])), None);
    }
}
