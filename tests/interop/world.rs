//! The world changes while we serve.

mod configuration;
mod network;
mod root;
