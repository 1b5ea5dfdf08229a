//! The world changes while we serve.

mod configuration;
mod generations;
mod image_swap;
mod network;
mod root;
