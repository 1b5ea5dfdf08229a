//! The kernel command line, read once into a plan of the boot.
