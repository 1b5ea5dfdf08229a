//! The world changes while we serve.

mod configuration;
mod generations;
mod network;
mod root;
