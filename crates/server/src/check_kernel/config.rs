//! A kernel's configuration file.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use thiserror::Error;

/// How a symbol is set in a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// `=y`, or a value.
    BuiltIn,
    /// `=m`
    Module,
    /// Not set, or unknown.
    Missing,
}

/// The symbols of one kernel.
#[derive(Debug, Default)]
pub(super) struct KernelConfig {
    /// `Linux/x86 6.1.192`, from the file's head; empty if that is missing.
    pub(super) kernel: String,
    symbols: HashMap<String, Presence>,
}

/// Why a file is not a kernel configuration.
#[derive(Debug, Error)]
pub(super) enum ConfigError {
    /// The file cannot be read, or its gzip layer is broken.
    #[error("cannot read it")]
    Read(#[source] io::Error),
    /// Larger than any configuration.
    #[error("it is larger than {MOST_BYTES} bytes, so it is not a kernel configuration")]
    TooLarge,
    /// A kernel image or another binary.
    #[error(
        "it is a binary file; give the config-* file of the kernel's package, /proc/config.gz, \
         or what scripts/extract-ikconfig prints for this image"
    )]
    Binary,
    /// A line that is not part of a configuration.
    #[error("line {line}: expected CONFIG_NAME=value or a comment, found \"{found}\"")]
    Line {
        /// Counted from 1.
        line: usize,
        /// The line, shortened.
        found: String,
    },
    /// Comments and empty lines only.
    #[error("it has no line CONFIG_NAME=value, so it is not a kernel configuration")]
    Empty,
}

/// The largest configuration of a distribution is under 400 KiB.
const MOST_BYTES: u64 = 8 << 20;

impl KernelConfig {
    /// Reads a `config-*` file, or a gzip-compressed one like `/proc/config.gz`.
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(ConfigError::Read)?;
        file.take(MOST_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(ConfigError::Read)?;
        Self::from_bytes(&bytes)
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, ConfigError> {
        let mut plain = Vec::new();
        let bytes = if bytes.starts_with(&[0x1f, 0x8b]) {
            let decoder = MultiGzDecoder::new(bytes);
            decoder
                .take(MOST_BYTES + 1)
                .read_to_end(&mut plain)
                .map_err(ConfigError::Read)?;
            plain.as_slice()
        } else {
            bytes
        };
        if u64::try_from(bytes.len()).is_ok_and(|length| length > MOST_BYTES) {
            return Err(if bytes.contains(&0) {
                ConfigError::Binary
            } else {
                ConfigError::TooLarge
            });
        }
        match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => Self::parse(text),
            _ => Err(ConfigError::Binary),
        }
    }

    /// Reads the text of a configuration (`Documentation/kbuild/kconfig.rst`).
    pub(super) fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_end();
            if let Some(comment) = line.strip_prefix('#') {
                let comment = comment.trim();
                if config.kernel.is_empty()
                    && let Some(kernel) = comment.strip_suffix(" Kernel Configuration")
                {
                    kernel.clone_into(&mut config.kernel);
                }
                continue;
            }
            if line.is_empty() {
                continue;
            }
            let Some((symbol, value)) = assignment(line) else {
                let found = line.chars().take(60).collect();
                return Err(ConfigError::Line {
                    line: index + 1,
                    found,
                });
            };
            let presence = match value {
                "n" => Presence::Missing,
                "m" => Presence::Module,
                _ => Presence::BuiltIn,
            };
            config.symbols.insert(symbol.to_owned(), presence);
        }
        if config.symbols.is_empty() {
            Err(ConfigError::Empty)
        } else {
            Ok(config)
        }
    }

    /// The architecture as the file's head calls it: `x86`, `arm64`.
    pub(super) fn arch(&self) -> Option<&str> {
        self.kernel.strip_prefix("Linux/")?.split(' ').next()
    }

    /// How `symbol`, written without `CONFIG_`, is set.
    pub(super) fn presence(&self, symbol: &str) -> Presence {
        self.symbols
            .get(symbol)
            .copied()
            .unwrap_or(Presence::Missing)
    }
}

/// Splits `CONFIG_NAME=value`.
pub(super) fn assignment(line: &str) -> Option<(&str, &str)> {
    let (symbol, value) = line.strip_prefix("CONFIG_")?.split_once('=')?;
    let letter = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (!symbol.is_empty() && symbol.bytes().all(letter)).then_some((symbol, value))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const TEXT: &str = "#\n# Automatically generated file; DO NOT EDIT.\n# Linux/x86 6.1.192 Kernel Configuration\n#\n\
        CONFIG_NFS_FS=m\nCONFIG_INET=y\n# CONFIG_IP_PNP is not set\nCONFIG_HZ=250\n\
        CONFIG_INITRAMFS_SOURCE=\"\"\n";

    #[test]
    fn a_symbol_is_built_in_or_a_module_or_missing() {
        let config = KernelConfig::from_bytes(TEXT.as_bytes()).unwrap();
        assert_eq!(config.kernel, "Linux/x86 6.1.192");
        assert_eq!(config.presence("NFS_FS"), Presence::Module);
        assert_eq!(config.presence("INET"), Presence::BuiltIn);
        assert_eq!(config.presence("HZ"), Presence::BuiltIn);
        assert_eq!(config.presence("IP_PNP"), Presence::Missing);
        assert_eq!(config.presence("OVERLAY_FS"), Presence::Missing);
    }

    #[test]
    fn a_compressed_configuration_is_read() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(TEXT.as_bytes()).unwrap();
        let bytes = encoder.finish().unwrap();
        let config = KernelConfig::from_bytes(&bytes).unwrap();
        assert_eq!(config.presence("NFS_FS"), Presence::Module);
        let cut = &bytes[..bytes.len() / 2];
        assert!(matches!(
            KernelConfig::from_bytes(cut),
            Err(ConfigError::Read(_))
        ));
    }

    #[test]
    fn a_file_that_is_not_a_configuration_is_an_error() {
        let error = |bytes: &[u8]| KernelConfig::from_bytes(bytes).unwrap_err().to_string();
        assert!(error(b"").starts_with("it has no line"));
        assert!(error(b"# only\n# comments\n").starts_with("it has no line"));
        assert_eq!(
            error(b"CONFIG_A=y\nroot:x:0:0\n"),
            "line 2: expected CONFIG_NAME=value or a comment, found \"root:x:0:0\""
        );
        assert!(error(b"MZ\0\0\xff").starts_with("it is a binary file"));
        assert!(error(b"CONFIG_A=y\0").starts_with("it is a binary file"));
    }

    #[test]
    fn a_gzip_bomb_is_an_error() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![b'#'; 9 << 20]).unwrap();
        let error = KernelConfig::from_bytes(&encoder.finish().unwrap()).unwrap_err();
        assert!(matches!(error, ConfigError::TooLarge), "{error}");
    }

    #[test]
    fn a_missing_file_is_an_error_with_its_cause() {
        let error = KernelConfig::read(Path::new("/nonexistent/config")).unwrap_err();
        assert!(
            matches!(error, ConfigError::Read(cause) if cause.kind() == io::ErrorKind::NotFound)
        );
    }
}
