//! What is said of a machine in lists and on its page.

use crate::client::answers::Order;
use crate::client::terminal::{Tone, shown};

/// What is ordered, in words.
pub(super) fn orders(order: &Order) -> Vec<String> {
    let once = order.once.as_deref();
    let once = once.map(|image| format!("boots {} next time only", shown(image)));
    let image = order.image.as_deref();
    let image = image.map(|image| format!("is assigned {}", shown(image)));
    once.into_iter().chain(image).collect()
}

/// The state of a machine that was not heard of.
pub(super) const UNSEEN: &str = "unseen";

/// How good that is.
pub(super) fn tone_of(state: &str) -> Tone {
    match state {
        "running" | "handed-over" => Tone::Good,
        "booting" | "waiting" | "menu" => Tone::Busy,
        "failed" | "stopped" => Tone::Bad,
        _ => Tone::Soft,
    }
}

/// The state in words.
pub(super) fn words(state: &str) -> String {
    match state {
        "handed-over" => "handed over".to_owned(),
        "menu" => "in the menu".to_owned(),
        UNSEEN => "not heard of yet".to_owned(),
        other => shown(other),
    }
}
