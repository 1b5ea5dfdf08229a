//! The web hook: asked what a machine boots, when the machine fetches its script.
//!
//! ```text
//! facts → JSON → the helper process `hook` → HTTP → JSON → an image's name, or the rules
//! ```
//!
//! It may delay a boot by its deadline, and no more: a hook that fails is not asked for a while ([`breaker`]).
//! What it says of a machine is kept with what is known of that (`machines/hook_words.rs`).

mod breaker;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use self::breaker::{Breaker, State};
use crate::catalog::{ArrivedAt, KnownMachine, no_such_image};
use crate::serve::privileged_helper::{HookHelper, HookSocket};
use crate::settings::HookUrl;

/// What the hook is told of a machine (`API.md`).
#[derive(Debug, Serialize)]
struct Facts<'a> {
    mac: Option<String>,
    uuid: Option<String>,
    serial: Option<&'a str>,
    asset: Option<&'a str>,
    manufacturer: Option<&'a str>,
    product: Option<&'a str>,
    firmware: Option<String>,
    vendor_class: Option<String>,
    address: Option<IpAddr>,
    circuit: Option<String>,
    nic: Option<String>,
    interface: &'a str,
    server: IpAddr,
    /// The images that it may name.
    images: Vec<&'a str>,
}

/// What it answers: `{"image": "debian"}`, or `{"image": null}` where it leaves the decision to the rules.
#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Word {
    image: Option<String>,
}

/// Why there is no word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HookError {
    /// The helper or the hook is silent.
    #[error("no answer within {} ms", .0.as_millis())]
    Late(Duration),
    /// What the helper says.
    #[error("{0}")]
    Failed(String),
    /// It was not asked, which is not its fault.
    #[error("cannot ask it: {0}")]
    NotAsked(String),
    /// The answer is none.
    #[error("expected an answer such as {{\"image\": \"debian\"}}: {0}")]
    Answer(String),
    /// It names what is not there.
    #[error("{0}")]
    Image(String),
}

/// What is to be logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HookFailure {
    /// The hook.
    pub(crate) url: String,
    /// What went wrong.
    pub(crate) error: String,
    /// How long it is not asked.
    pub(crate) left_alone: Option<Duration>,
}

/// Asks the hook.
#[derive(Debug)]
pub(crate) struct Hook {
    url: HookUrl,
    deadline: Duration,
    socket: HookSocket,
    number: AtomicU16,
    waiting: Waiting,
    breaker: Mutex<Breaker>,
    started: Instant,
}

type Waiting = Arc<Mutex<HashMap<u16, oneshot::Sender<Result<String, String>>>>>;

impl Hook {
    /// Asks through this helper process. Call it within the runtime.
    ///
    /// # Errors
    /// The runtime's.
    pub(crate) fn start(
        helper: HookHelper,
        url: HookUrl,
        deadline: Duration,
    ) -> std::io::Result<Arc<Self>> {
        let socket = helper.into_socket()?;
        let hook = Arc::new(Self {
            url,
            deadline,
            socket,
            number: AtomicU16::new(0),
            waiting: Arc::default(),
            breaker: Mutex::default(),
            started: Instant::now(),
        });
        let reader = Arc::clone(&hook);
        tokio::spawn(async move {
            while let Some((number, answer)) = reader.socket.next().await {
                if let Some(waits) = lock(&reader.waiting).remove(&number) {
                    // It may have waited long enough.
                    let _ = waits.send(answer);
                }
            }
        });
        Ok(hook)
    }

    /// What the hook says of a machine that fetches its script: an image of `images`, or `None` for what the rules say.
    /// What goes wrong is for the log, unless it was told just now.
    pub(crate) async fn ask(
        &self,
        machine: &KnownMachine,
        arrived: &ArrivedAt<'_>,
        images: &[&str],
    ) -> (Option<String>, Option<HookFailure>) {
        if !lock(&self.breaker).may_ask(self.started.elapsed()) {
            return (None, None);
        }
        let mut asked = facts(machine, arrived, images);
        if asked.len() > HookSocket::LONGEST {
            // A hook that needs the names has them by the API.
            asked = facts(machine, arrived, &[]);
        }
        let answer = self.exchange(&asked).await;
        let word = answer.and_then(|text| read(&text, images));
        // A wrong name is the hook's mistake and not its silence: it costs the next boot nothing.
        let works = matches!(
            word,
            Ok(_) | Err(HookError::Image(_) | HookError::Answer(_) | HookError::NotAsked(_))
        );
        let now = self.started.elapsed();
        let mut breaker = lock(&self.breaker);
        let left_alone = match breaker.asked(works, now) {
            Some(State::Open { left_for }) => Some(left_for),
            Some(State::Closed) | None => None,
        };
        match word {
            Ok(word) => (word, None),
            Err(error) => {
                let tells = left_alone.is_some() || breaker.may_tell(now);
                let failure = HookFailure {
                    // Not its path and query, which may hold a secret.
                    url: self.url.0.origin(),
                    error: error.to_string(),
                    left_alone,
                };
                (None, tells.then_some(failure))
            }
        }
    }

    async fn exchange(&self, facts: &str) -> Result<String, HookError> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let (waits, answer) = oneshot::channel();
        lock(&self.waiting).insert(number, waits);
        let sent = self.socket.send(number, facts);
        let answered = match sent {
            Ok(()) => tokio::time::timeout(self.deadline, answer).await,
            Err(error) => {
                lock(&self.waiting).remove(&number);
                return Err(HookError::NotAsked(error));
            }
        };
        lock(&self.waiting).remove(&number);
        match answered {
            Ok(Ok(answer)) => answer.map_err(HookError::Failed),
            Ok(Err(_)) | Err(_) => Err(HookError::Late(self.deadline)),
        }
    }
}

fn facts(machine: &KnownMachine, arrived: &ArrivedAt<'_>, images: &[&str]) -> String {
    let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
    let facts = Facts {
        mac: machine.mac.map(|mac| mac.to_string()),
        uuid: machine.uuid.map(|uuid| uuid.to_string()),
        serial: machine.serial.as_deref(),
        asset: machine.asset.as_deref(),
        manufacturer: machine.manufacturer.as_deref(),
        product: machine.product.as_deref(),
        firmware: machine.platform.map(|platform| platform.to_string()),
        vendor_class: machine.vendor_class.as_ref().map(text),
        address: machine.address,
        circuit: machine.circuit.as_ref().map(text),
        nic: machine.nic.map(|nic| nic.to_string()),
        interface: arrived.interface,
        server: arrived.server,
        images: images.to_vec(),
    };
    crate::json::to_string(&facts).unwrap_or_default()
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads an answer; an empty one leaves the decision to the rules.
fn read(text: &str, images: &[&str]) -> Result<Option<String>, HookError> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let word: Word =
        serde_json::from_str(text).map_err(|error| HookError::Answer(error.to_string()))?;
    match word.image {
        Some(image) if !images.contains(&image.as_str()) => Err(HookError::Image(no_such_image(
            &image,
            images.iter().copied(),
        ))),
        image => Ok(image),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_an_images_name_or_nothing() {
        let images = ["debian", "rescue"];
        let read = |text: &str| read(text, &images).map_err(|error| error.to_string());
        assert_eq!(
            read(r#"{"image":"debian","more":1}"#),
            Ok(Some("debian".to_owned()))
        );
        for none in ["", "\n", r#"{"image":null}"#] {
            assert_eq!(read(none), Ok(None), "{none}");
        }
        for (text, why) in [
            (
                "debian",
                "expected an answer such as {\"image\": \"debian\"}",
            ),
            (r#"{"image":5}"#, "expected an answer such as"),
            (
                r#"{"image":"debina"}"#,
                "there is no image debina; did you mean debian?",
            ),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
