//! The world changes while we serve.

mod network;
mod root;
