//! `netroot boot-once` and `netroot assign`: what a machine boots, by order.

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::client::answers::{History, Ordered};
use crate::client::ask::{ServerArgs, path_of};
use crate::client::terminal::shown;
use crate::client::wording::orders;

/// The arguments of `netroot boot-once` and `netroot assign`.
#[derive(Debug, Clone, Args)]
pub(crate) struct OrderArgs {
    /// The machine: its hardware address, its address, or its name in the configuration.
    #[arg(value_name = "MACHINE")]
    pub(crate) machine: String,

    /// The image: one of those that netroot images lists.
    #[arg(value_name = "IMAGE", required_unless_present = "clear")]
    pub(crate) image: Option<String>,

    /// Take the order back: the configuration decides again.
    #[arg(long, conflicts_with = "image")]
    pub(crate) clear: bool,

    /// Print the server's JSON (API.md) instead of text.
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

pub(crate) const BOOT_ONCE_EXAMPLES: &str = "\
The order is taken when the machine fetches its script, exactly once; it is kept until then, also over a restart
of the server.

Examples:
  netroot boot-once 52:54:00:12:34:56 rescue    the next boot only
  netroot boot-once lab-1 --clear               not after all";

pub(crate) const ASSIGN_EXAMPLES: &str = "\
The order holds until another one, also after the server was started again. It comes before the configuration: an image that
belongs to a machine for good is written there ([machine.NAME] boot = \"IMAGE\"). It is given up after three boots in a row that
the machine's init reports as failed.

Examples:
  netroot assign 52:54:00:12:34:56 debian-13
  netroot assign lab-1 --clear                  the configuration decides again";

/// `netroot boot-once`.
///
/// # Errors
/// What the server refuses.
pub(crate) fn boot_once(args: &OrderArgs) -> Result<()> {
    order(args, "/boot-once", "POST")
}

/// `netroot assign`.
///
/// # Errors
/// What the server refuses.
pub(crate) fn assign(args: &OrderArgs) -> Result<()> {
    order(args, "/image", "PUT")
}

fn order(args: &OrderArgs, what: &str, method: &str) -> Result<()> {
    let path = path_of(&args.machine) + what;
    let body = args
        .image
        .as_ref()
        .map(|image| json!({ "image": image }).to_string());
    let method = match body {
        Some(_) => method,
        None => "DELETE",
    };
    if args.json {
        let answer: serde_json::Value = args.server.json(method, &path, body.as_deref())?;
        println!("{}", crate::json::to_string(&answer)?);
        return Ok(());
    }
    let ordered: Ordered = args.server.json(method, &path, body.as_deref())?;
    let mut said = said(&ordered);
    if body.is_some() {
        // It is ordered by now, whatever comes of this.
        let machine = args.server.json("GET", &path_of(&ordered.mac), None);
        said += machine.as_ref().map_or("", unheard);
    }
    println!("{said}");
    Ok(())
}

/// A mistyped address is a machine that never comes.
fn unheard(machine: &History) -> &'static str {
    match (machine.last_seen_seconds, &machine.configured) {
        (None, None) => {
            "; netroot has not heard of it yet, and it is not in the configuration: is the address right?"
        }
        _ => "",
    }
}

fn said(ordered: &Ordered) -> String {
    let machine = match &ordered.name {
        Some(name) => format!("{} ({})", shown(name), shown(&ordered.mac)),
        None => shown(&ordered.mac),
    };
    let orders = orders(&ordered.order);
    match orders.is_empty() {
        true => format!("{machine} boots what the configuration says"),
        false => format!("{machine} {}", orders.join(", and ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::answers::Order;

    #[test]
    fn a_machine_that_is_neither_heard_of_nor_configured_may_be_mistyped() {
        let of = |seconds: Option<f64>, configured: bool| {
            let json = serde_json::json!({
                "mac": "02:00:00:00:00:01", "name": null, "uuid": null, "other_macs": [], "addresses": [],
                "firmware": null, "last_seen_seconds": seconds, "boots": [],
                "configured": configured.then(|| json!({ "address": null, "boot": null })),
            });
            unheard(&serde_json::from_value(json).unwrap())
        };
        assert!(of(None, false).contains("has not heard of it yet"));
        assert_eq!((of(Some(1.0), false), of(None, true)), ("", ""));
    }

    #[test]
    fn an_order_is_said_in_a_sentence() {
        let mut ordered = Ordered {
            mac: "02:00:00:00:00:01".to_owned(),
            name: Some("lab-1".to_owned()),
            order: Order::default(),
        };
        assert_eq!(
            said(&ordered),
            "lab-1 (02:00:00:00:00:01) boots what the configuration says"
        );
        ordered.order = Order {
            once: Some("rescue".to_owned()),
            image: Some("debian".to_owned()),
        };
        assert_eq!(
            said(&ordered),
            "lab-1 (02:00:00:00:00:01) boots rescue next time only, and is assigned debian"
        );
    }
}
