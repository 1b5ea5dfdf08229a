//! SBAT: revocation by generations (shim's `SBAT.md`).
//!
//! A binary says of each component that it was made from which generation of its security it is. shim has a least
//! generation for some components, and raises the machine's own when it starts.

use std::fmt;

/// A component's generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Its name, such as `grub` or `grub.debian`.
    pub name: String,
    /// Its generation: higher ones have had more of their holes closed.
    pub generation: u32,
}

/// The components of a binary, or the least generations that are started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sbat {
    components: Vec<Component>,
}

/// A component that is older than what is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// As the binary has it.
    pub component: Component,
    /// The least generation that is started.
    pub least: u32,
}

impl fmt::Display for Revoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { component, least } = self;
        let Component { name, generation } = component;
        write!(f, "{name} is of generation {generation}, below {least}")
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.generation)
    }
}

/// The components that are revoked by name, without the format's own: `grub 5, grub.debian 5`.
impl fmt::Display for Sbat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let components = self.components.iter().filter(|one| one.name != "sbat");
        for (number, component) in components.enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            write!(f, "{comma}{component}")?;
        }
        Ok(())
    }
}

impl Sbat {
    /// Reads the lines of a section `.sbat`, or of a level. Lines that are none, and what follows a NUL, are left out.
    pub fn parse(bytes: &[u8]) -> Self {
        let end = bytes.iter().position(|byte| *byte == 0);
        let text = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        let text = String::from_utf8_lossy(text);
        let components = text.lines().filter_map(|line| {
            let mut fields = line.split(',');
            let name = fields.next()?.trim().to_owned();
            let generation = fields.next()?.trim().parse().ok()?;
            Some(Component { name, generation })
        });
        Self {
            components: components.collect(),
        }
    }

    /// The generation of this component.
    pub fn generation(&self, name: &str) -> Option<u32> {
        let found = self.components.iter().find(|one| one.name == name);
        found.map(|one| one.generation)
    }

    /// Whether there is no component.
    pub fn is_empty(&self) -> bool {
        self.components.is_empty()
    }

    /// The first of these components that is older than `level` allows.
    pub fn revoked_by(&self, level: &Self) -> Option<Revoked> {
        self.components.iter().find_map(|component| {
            let least = level.generation(&component.name)?;
            (component.generation < least).then(|| Revoked {
                component: component.clone(),
                least,
            })
        })
    }
}

/// The levels that a shim brings (its section `.sbatlevel`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Levels {
    /// The one that it sets by itself when the machine has an older one.
    pub automatic: Sbat,
    /// The newest one, which is set where the owner asked for it.
    pub latest: Sbat,
}

impl Levels {
    /// Reads a section `.sbatlevel`: a version, and where the two levels are, counted from behind the version.
    pub fn parse(section: &[u8]) -> Self {
        let level = |at: usize| {
            let after_version = section.get(4..)?;
            let offset = after_version.get(at..at.checked_add(4)?)?;
            let offset = u32::from_le_bytes(offset.try_into().ok()?);
            after_version.get(usize::try_from(offset).ok()?..)
        };
        let read = |at| level(at).map(Sbat::parse).unwrap_or_default();
        Self {
            automatic: read(0),
            latest: read(4),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_generation_is_revoked_and_a_missing_component_is_not() {
        let grub = Sbat::parse(
            b"sbat,1,SBAT Version,sbat,1,https://example.org\ngrub,3,Free Software Foundation,grub,2.06,\ngrub.debian,4,x\n\0\0",
        );
        assert_eq!(grub.generation("grub"), Some(3));
        let level = Sbat::parse(b"sbat,1,2025021800\nshim,4\ngrub,5\n");
        let revoked = grub.revoked_by(&level).unwrap();
        assert_eq!(revoked.to_string(), "grub is of generation 3, below 5");
        assert_eq!(
            grub.revoked_by(&Sbat::parse(b"sbat,1,1\ngrub,3\nshim,9")),
            None
        );
    }

    #[test]
    fn levels_are_found_by_their_offsets() {
        let mut section = Vec::new();
        for number in [0_u32, 8, 15] {
            section.extend(number.to_le_bytes());
        }
        section.extend(b"grub,4\0grub,5\n\0");
        let levels = Levels::parse(&section);
        assert_eq!(levels.automatic.generation("grub"), Some(4));
        assert_eq!(levels.latest.generation("grub"), Some(5));
        for cut in 0..section.len() {
            Levels::parse(&section[..cut]);
        }
        assert_eq!(Levels::parse(&[0xff; 64]), Levels::default());
    }
}
