//! Values by the index of their interface, in the order of the indices, which is the one in which the kernel found them.
//!
//! A machine has a few interfaces. A list serves them as well as the maps of the standard library, whose code is several
//! times as long for each type of value.

/// The values of some interfaces.
#[derive(Debug, Clone)]
pub(crate) struct ByIndex<T>(Vec<(u32, T)>);

impl<T> Default for ByIndex<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> ByIndex<T> {
    /// None of any.
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    fn place(&self, index: u32) -> Option<usize> {
        self.0.iter().position(|(of, _)| *of == index)
    }

    /// The value of an interface.
    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        let (_, value) = self.0.get(self.place(index)?)?;
        Some(value)
    }

    /// The value of an interface, to change it.
    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        let at = self.place(index)?;
        let (_, value) = self.0.get_mut(at)?;
        Some(value)
    }

    /// Whether an interface has a value.
    pub(crate) fn contains(&self, index: u32) -> bool {
        self.place(index).is_some()
    }

    /// Gives an interface this value. True if it had none.
    pub(crate) fn insert(&mut self, index: u32, value: T) -> bool {
        if let Some(old) = self.get_mut(index) {
            *old = value;
            return false;
        }
        let after = self.0.iter().position(|(of, _)| *of > index);
        self.0.insert(after.unwrap_or(self.0.len()), (index, value));
        true
    }

    /// Takes an interface's value away.
    pub(crate) fn remove(&mut self, index: u32) -> Option<T> {
        let at = self.place(index)?;
        Some(self.0.remove(at).1)
    }

    /// Keeps the values for which `is_kept` returns true.
    pub(crate) fn retain(&mut self, mut is_kept: impl FnMut(u32, &T) -> bool) {
        self.0.retain(|(index, value)| is_kept(*index, value));
    }

    /// Takes all values away.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The indices.
    pub(crate) fn indices(&self) -> impl Iterator<Item = u32> {
        self.0.iter().map(|(index, _)| *index)
    }

    /// The values.
    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, value)| value)
    }

    /// The values, to change them.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    /// The values themselves.
    pub(crate) fn into_values(self) -> impl Iterator<Item = T> {
        self.0.into_iter().map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_in_the_order_of_the_indices_and_each_interface_has_one() {
        let mut names = ByIndex::new();
        assert!(names.insert(3, "c") && names.insert(1, "a") && names.insert(2, "?"));
        assert!(!names.insert(2, "b"));
        assert_eq!(names.values().copied().collect::<String>(), "abc");
        assert_eq!(names.get(2), Some(&"b"));
        assert_eq!((names.remove(2), names.remove(2)), (Some("b"), None));
        names.retain(|index, _| index == 3);
        assert!(names.contains(3) && !names.contains(1));
        names.values_mut().for_each(|name| *name = "d");
        assert_eq!(names.indices().collect::<Vec<_>>(), [3]);
        assert_eq!(names.clone().into_values().collect::<Vec<_>>(), ["d"]);
        names.clear();
        assert!(!names.contains(3));
    }
}
