//! Tests that need root. See `vm/`, `interop/` and `sim/`.
