//! What a machine boots, by order.

use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::StatusCode;
use hyper::body::Body;
use netroot_net::Mac;
use serde::{Deserialize, Serialize};

use super::machine_name::find;
use super::route::Action;
use super::sources::Sources;
use crate::catalog::no_such_image;
use crate::serve::machines::{FileError, Orders};
use crate::serve::script_fetch;

/// The longest body of a request, in bytes, and how long it may take.
const BODY: usize = 4096;
const BODY_TIME: Duration = Duration::from_secs(10);

/// For how long an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// For the next boot.
    Once,
    /// Until another one.
    UntilAnother,
}

/// What a machine is ordered to boot.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct ShownOrder {
    once: Option<String>,
    image: Option<String>,
}

/// `{"image": "debian"}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    image: String,
}

/// What is ordered for a machine.
pub(super) fn shown(sources: &Sources, mac: Mac) -> ShownOrder {
    let order = sources.timeline.machines().orders().of(mac);
    ShownOrder {
        once: order.once,
        image: order.image,
    }
}

/// Puts an order in place, or takes it away: for which machine, or why not. It is on the disk when this ends.
pub(super) async fn take<B>(
    sources: &Sources,
    name: &str,
    kind: Kind,
    action: Action,
    body: B,
) -> Result<Mac, (StatusCode, String)>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mac = find(name, sources).map_err(|it| (StatusCode::NOT_FOUND, it.to_string()))?;
    let image = match action {
        Action::Set => {
            let order = read(body).await;
            let image = order.map_err(|why| (StatusCode::BAD_REQUEST, why))?.image;
            if let Some(why) = unknown(&image, sources) {
                return Err((StatusCode::UNPROCESSABLE_ENTITY, why));
            }
            Some(image)
        }
        Action::Clear | Action::Read => None,
    };
    let orders = sources.timeline.machines().orders();
    let until = script_fetch::deadline();
    let alone = orders.alone(until).await.map_err(unwritable)?;
    if orders.is_unread() {
        let read = script_fetch::save_until(&sources.timeline, until).await;
        read.map_err(unwritable)?;
    }
    let before = orders.before(mac);
    let done = match (kind, &image) {
        (Kind::Once, Some(image)) => orders.set_once(mac, image),
        (Kind::UntilAnother, Some(image)) => orders.set_image(mac, image),
        (Kind::Once, None) => {
            orders.clear_once(mac);
            Ok(())
        }
        (Kind::UntilAnother, None) => {
            orders.clear_image(mac);
            Ok(())
        }
    };
    done.map_err(|many| (StatusCode::INSUFFICIENT_STORAGE, many.to_string()))?;
    let undo = move |orders: &Orders| orders.restore(mac, before.clone());
    let saved = script_fetch::save_or_undo(&sources.timeline, alone, until, undo).await;
    saved.map_err(unwritable)?;
    Ok(mac)
}

fn unwritable(error: FileError) -> (StatusCode, String) {
    let why = format!(
        "cannot write {error}; make room there, or see who may write to it; nothing is changed"
    );
    (StatusCode::INSUFFICIENT_STORAGE, why)
}

/// Why an image cannot be ordered.
fn unknown(image: &str, sources: &Sources) -> Option<String> {
    let catalog = sources.artifacts.catalog();
    if catalog.image(image).is_some() {
        return None;
    }
    if ["menu", "wait", "refuse"].contains(&image) {
        return Some(format!(
            "{image} is no image, and only an image can be ordered; a machine does that by its entry in the configuration: boot = \
             \"{image}\""
        ));
    }
    let names = catalog.images().map(|image| image.name.as_str());
    let names: Vec<&str> = names.collect();
    Some(no_such_image(image, names.into_iter()))
}

async fn read<B>(body: B) -> Result<Order, String>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let body = Limited::new(body, BODY).collect();
    let body = tokio::time::timeout(BODY_TIME, body).await;
    let Ok(Ok(body)) = body else {
        return Err(format!("expected a body of at most {BODY} bytes"));
    };
    let expected = "expected a body such as {\"image\": \"debian\"}";
    serde_json::from_slice(&body.to_bytes()).map_err(|error| format!("{expected}: {error}"))
}
