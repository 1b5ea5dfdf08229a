//! What the server looks for in the sentences of a boot report (`crates/init/REPORT.md`).

/// The start of what the init says where no module of the initrd is for a network card; the bus and the card's numbers follow.
pub const NO_DRIVER: &str = "the initrd has no driver for";
