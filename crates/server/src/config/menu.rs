//! `[menu]`: what somebody at a machine's console may choose.

use std::time::Duration;

use super::section::Section;
use super::values::some_text;
use crate::settings::MenuSettings;

/// How long the menu may wait. iPXE takes 0 for ever, and counts milliseconds in 32 bits.
const TIMEOUTS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(24 * 3600));

/// `[menu]`.
pub(super) fn read_menu(whole: &mut Section<'_>, settings: &mut MenuSettings) {
    let Some(mut menu) = whole.table("menu") else {
        return;
    };
    settings.title = menu.text("title");
    if menu.has("timeout") {
        let timeout = menu.time_or_never("timeout", TIMEOUTS, "\"10s\"");
        settings.timeout = timeout.unwrap_or(settings.timeout);
    }
    settings.images = menu.list("images", "an image", some_text);
    settings.default = menu.text("default");
    menu.finish();
}
