//! Suggestions for misspelt module names. Pure.

use netroot_kmod::module_name;

use super::index::Index;

impl Index {
    /// The existing name that is most similar to `name`, if it is similar enough.
    pub(crate) fn suggestion<'a>(
        &'a self,
        name: &str,
        others: impl Iterator<Item = &'a str>,
    ) -> Option<&'a str> {
        let name = module_name(name);
        let modules = self.modules.keys().chain(self.builtin.keys());
        netroot_spelling::nearest(&name, modules.map(String::as_str).chain(others))
    }
}

#[cfg(test)]
mod tests {
    use super::super::index::tests::texts;
    use super::*;

    #[test]
    fn a_misspelt_name_gets_a_suggestion() {
        let index = Index::parse(&texts()).unwrap();
        let sets = || ["netboot"].into_iter();
        assert_eq!(index.suggestion("r8168", sets()), Some("r8169"));
        assert_eq!(index.suggestion("netbot", sets()), Some("netboot"));
        assert_eq!(
            index.suggestion("crc32-intel", sets()),
            Some("crc32c_intel")
        );
        assert_eq!(index.suggestion("something-else", sets()), None);
    }
}
