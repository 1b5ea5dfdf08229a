//! The helper that signs unified kernel images: the one process that has the administrator's key in its memory.
//!
//! It reads the key itself, after it was copied from the server, so that the key never is in the server's memory nor in
//! another helper's. It has no file and no socket but the one to the server
//! and its standard streams, no capability and no thread.
//!
//! A request is the Authenticode SHA-256 of an EFI binary, 32 bytes, and the answer a certificate table for a binary with that
//! digest. What is signed is put together here, so that a signature of this key is one of an EFI binary, and of nothing
//! else that keys sign (a variable of the firmware, a certificate, a kernel's module). Which binary that is, only the server
//! knows: to look at the binary here would tell nothing of what it does, and let a server that was taken over send one to a
//! parser beside the key.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use netroot_limits::Rate;
use netroot_secure_boot::SigningKey;
use rustix::thread::CapabilitySet;

use super::answer::{Answer, Done};
use super::channel::MOST_BYTES;
use super::client::{self, HelperError};
use super::helper_end;
use super::process::{self, StartError};
use super::request::{self, Request};
use crate::confinement::identity::Identity;
use crate::confinement::seccomp::Work;
use crate::confinement::{self, Confinement, limits};
use crate::error_chain::with_causes;
use crate::serve::ended_helper;
use crate::settings::UkiSettings;
use crate::signing_files::{SigningFiles, SigningFilesError};
use crate::unified_image::SigningFailed;

/// The longest certificate table, in bytes: an answer, less what comes before its content.
const LONGEST_TABLE: usize = MOST_BYTES - 4;

/// There is nobody who signs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignerStartError {
    /// The key, its certificate or what the helper gives up; in the helper's words.
    #[error("{why}")]
    Refused {
        /// Why.
        why: String,
    },
    /// The process.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Why an image has no signature.
#[derive(Debug, thiserror::Error)]
enum SignerError {
    /// The key is in no process any more.
    #[error(
        "the helper process that has the key (--uki-key) has ended; start netroot again, which reads it anew"
    )]
    Ended,
    /// It does not sign.
    #[error("the helper process that has the key (--uki-key)")]
    Helper(#[source] HelperError),
}

impl From<HelperError> for SignerError {
    fn from(error: HelperError) -> Self {
        match error {
            HelperError::Ended => Self::Ended,
            error => Self::Helper(error),
        }
    }
}

/// The digest of a binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Digest([u8; 32]);

impl Request for Digest {
    /// One for each image at the start, and after each upgrade.
    const RATE: Rate = Rate {
        burst: 1024,
        every: Duration::from_secs(10),
    };

    fn encode(self) -> [u8; request::LENGTH] {
        self.0
    }

    fn decode(bytes: [u8; request::LENGTH]) -> Option<Self> {
        Some(Self(bytes))
    }

    fn patience(self) -> Duration {
        request::USUAL
    }
}

/// The server's end. Several threads may ask; each waits for the one before.
#[derive(Debug)]
pub(crate) struct Signer {
    socket: Arc<OwnedFd>,
    /// The last request's number.
    number: Mutex<u16>,
    /// The length of every certificate table, in bytes.
    table_length: u64,
}

/// Starts it with this key.
///
/// # Errors
/// [`SignerStartError`]. Call it while there is one thread, and this process can still read the key's file.
pub(super) fn start(
    files: &UkiSettings,
    identity: Option<Identity>,
) -> Result<Signer, SignerStartError> {
    let socket = process::start(|socket| {
        let _ = rustix::thread::set_name(c"netroot-signer");
        let (key, length) = match prepare(&files.key, &files.certificate, identity) {
            Ok(ready) => ready,
            Err(why) => return helper_end::introduce_as(&socket, Answer::failed(why)),
        };
        helper_end::introduce_as(&socket, containing(length.to_be_bytes().to_vec()));
        helper_end::answer_until_closed(&socket, |digest| answer(&key, digest));
    })?;
    let introduced = client::introduction(&socket).map_err(|error| match error {
        HelperError::Failed { why } => SignerStartError::Refused { why },
        error => StartError::First(error).into(),
    })?;
    let length = <[u8; 8]>::try_from(&*introduced.content);
    let length = length.map_err(|_| StartError::First(HelperError::Nonsense))?;
    Ok(Signer {
        socket: Arc::new(socket),
        number: Mutex::new(request::INTRODUCTION),
        table_length: u64::from_be_bytes(length),
    })
}

/// In the new process: the key, with the length of what it signs. An error is a sentence.
fn prepare(
    key: &Path,
    certificate: &Path,
    identity: Option<Identity>,
) -> Result<(SigningKey, u64), String> {
    let confined = Confinement {
        identity,
        capabilities: CapabilitySet::empty(),
        read: Vec::new(),
        write: Vec::new(),
        work: Work::Signing,
    };
    // Before there is anything to dump.
    let private = limits::keep_memory_private();
    private.map_err(|errno| format!("cannot keep the key out of core dumps: {errno}"))?;
    let told = |error: SigningFilesError| with_causes(&error);
    let files = SigningFiles::read(key, certificate).map_err(told)?;
    // What the kernel lacks is told by the server, which lacks it, too.
    confinement::confine(&confined).map_err(|error| with_causes(&error))?;
    let signs = files.key().map_err(told)?;
    let length = signs.table_length().map_err(|error| error.to_string())?;
    if length > LONGEST_TABLE as u64 {
        return Err(format!(
            "a signature with the certificates in {} has {length} bytes, and at most {LONGEST_TABLE} are possible: leave certificates of issuers out, above all the root's",
            certificate.display()
        ));
    }
    Ok((signs, length))
}

fn answer(key: &SigningKey, Digest(digest): Digest) -> Answer {
    match key.certificate_table(&digest) {
        Ok(table) => containing(table),
        Err(error) => Answer::failed(error.to_string()),
    }
}

fn containing(content: Vec<u8>) -> Answer {
    Answer {
        content,
        ..Answer::done(Vec::new())
    }
}

impl Signer {
    fn ask(&self, digest: Digest) -> Result<Vec<u8>, SignerError> {
        // A number is as good as another after a panic.
        let mut number = self.number.lock().unwrap_or_else(PoisonError::into_inner);
        *number = request::next(*number);
        let Done { content, .. } = client::ask(&self.socket, *number, digest)?;
        if content.len() as u64 != self.table_length {
            return Err(HelperError::Nonsense.into());
        }
        Ok(content)
    }

    /// Has `ended` called once the helper ends before the server does. It starts a thread: call it once privileges are given
    /// up.
    ///
    /// # Errors
    /// There is no thread.
    pub(crate) fn watch(&self, ended: impl FnOnce() + Send + 'static) -> io::Result<()> {
        ended_helper::watch("signer", Arc::clone(&self.socket), ended)
    }
}

impl crate::unified_image::Signer for Signer {
    fn table_length(&self) -> Result<u64, SigningFailed> {
        Ok(self.table_length)
    }

    fn certificate_table(&self, digest: &[u8; 32]) -> Result<Vec<u8>, SigningFailed> {
        Ok(self.ask(Digest(*digest))?)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::super::channel;
    use super::*;
    use crate::unified_image::Signer as _;

    /// One that answers with this many bytes, and ends after one answer.
    fn signer(bytes: usize) -> Signer {
        let (here, there) = channel::pair().unwrap();
        thread::spawn(move || {
            let mut left = 1;
            helper_end::answer_until_closed(&there, |Digest(digest)| {
                left -= 1;
                match left {
                    0 => containing(digest.iter().cycle().take(bytes).copied().collect()),
                    _ => panic!("the helper ends here"),
                }
            });
        });
        Signer {
            socket: Arc::new(here),
            number: Mutex::new(u16::MAX),
            table_length: 64,
        }
    }

    #[test]
    fn a_table_of_another_length_is_not_taken() {
        let table = signer(64).certificate_table(&[7; 32]).unwrap();
        assert_eq!(table, [7; 64]);
        for bytes in [0, 63, LONGEST_TABLE] {
            let refused = signer(bytes).certificate_table(&[7; 32]).unwrap_err();
            assert!(refused.to_string().contains("--uki-key"), "{refused}");
        }
    }

    #[test]
    fn a_helper_that_has_ended_is_told_by_what_it_was_for() {
        let (here, there) = channel::pair().unwrap();
        let signer = Arc::new(Signer {
            socket: Arc::new(here),
            number: Mutex::new(0),
            table_length: 64,
        });
        let (told, heard) = std::sync::mpsc::channel();
        let ended = move || told.send(()).unwrap();
        signer.watch(ended).unwrap();
        drop(there);
        heard.recv().unwrap();
        let refused = signer.certificate_table(&[7; 32]).unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("the key (--uki-key) has ended"),
            "{refused}"
        );
    }
}
