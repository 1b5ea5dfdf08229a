//! What a DHCP message was answered, by this server or by another one: the sentence, the kind and the fields.

use std::fmt::{self, Formatter};

use netroot_proto::pxe::decide::{Answer, BootFile, Reason, Refusal};
use netroot_proto::pxe::probe::OtherServer;

use super::fields::{Fields, platform_word};

/// What a client was answered, after its name.
pub(super) fn write_answer(f: &mut Formatter<'_>, answer: &Answer) -> fmt::Result {
    match answer {
        Answer::Offered { address, loader } => write!(f, "offered {address}{}", loads(loader)),
        Answer::Acknowledged { address, loader } => write!(f, "has {address}{}", loads(loader)),
        Answer::Informed { address, loader } => write!(f, "informed {address}{}", loads(loader)),
        Answer::Refused { address, why } => write!(f, "refused: {}", why.sentence(*address)),
        Answer::ProxyOffered { loader } | Answer::ProxyAcknowledged { loader } => {
            write!(f, "loads {loader}")
        }
        Answer::RootOffered { root } => {
            write!(f, "offered the root {}", String::from_utf8_lossy(root))
        }
        Answer::RootAcknowledged { root } => {
            write!(f, "has the root {}", String::from_utf8_lossy(root))
        }
    }
}

fn loads(loader: &BootFile) -> String {
    match loader {
        BootFile::None => String::new(),
        BootFile::Named(file) => format!(", loads {file}"),
        BootFile::NoLoader(platform) => format!("; {}", Reason::NoLoader(*platform)),
        BootFile::NoArchitecture => format!("; {}", Reason::NoArchitecture),
    }
}

/// The kind of an answer.
pub(super) fn kind(answer: &Answer) -> &'static str {
    match answer {
        Answer::Offered { .. } => "dhcp-offer",
        Answer::Acknowledged { .. } => "dhcp-ack",
        Answer::Informed { .. } => "dhcp-inform",
        Answer::Refused { .. } => "dhcp-nak",
        Answer::ProxyOffered { .. } => "proxy-offer",
        Answer::ProxyAcknowledged { .. } => "proxy-ack",
        Answer::RootOffered { .. } => "root-offer",
        Answer::RootAcknowledged { .. } => "root-ack",
    }
}

/// The fields of an answer.
pub(super) fn add_fields(fields: &mut Fields, answer: &Answer) {
    match answer {
        Answer::Offered { address, loader }
        | Answer::Acknowledged { address, loader }
        | Answer::Informed { address, loader } => {
            fields.add("address", address.to_string());
            match loader {
                BootFile::None => {}
                BootFile::Named(file) => fields.add("loader", file.as_str()),
                BootFile::NoLoader(platform) => {
                    fields.add("no_loader_for", platform_word(*platform));
                }
                BootFile::NoArchitecture => fields.add("no_loader_for", "unknown"),
            }
        }
        Answer::Refused { address, why } => {
            fields.add("address", address.to_string());
            let reason = match why {
                Refusal::OtherNetwork => "other-network",
                Refusal::OutOfRange => "out-of-range",
                Refusal::InUse => "in-use",
                Refusal::HasAnother(_) => "has-another",
            };
            fields.add("reason", reason);
            if let Refusal::HasAnother(own) = why {
                fields.add("own_address", own.to_string());
            }
        }
        Answer::ProxyOffered { loader } | Answer::ProxyAcknowledged { loader } => {
            fields.add("loader", loader.as_str());
        }
        Answer::RootOffered { root } | Answer::RootAcknowledged { root } => {
            fields.add("root", String::from_utf8_lossy(root));
        }
    }
}

/// What another server answered.
pub(super) fn write_other_offer(f: &mut Formatter<'_>, other: &OtherServer) -> fmt::Result {
    match other.offers {
        Some(address) => write!(f, "{} offers it {address}", other.server)?,
        None => write!(
            f,
            "{} is a boot server (ProxyDHCP), and answers it",
            other.server
        )?,
    }
    if let Some(class) = &other.class {
        write!(f, ", option 60 is {}", String::from_utf8_lossy(class))?;
    }
    match &other.boot_file {
        Some(file) if !file.is_empty() => {
            write!(f, ", boot file {}", String::from_utf8_lossy(file))
        }
        _ => Ok(()),
    }
}

/// The fields of what another server answered.
pub(super) fn add_other_offer(fields: &mut Fields, other: &OtherServer) {
    let text = |bytes: &Option<Vec<u8>>| {
        let bytes = bytes.as_ref();
        bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    };
    fields.add("server", other.server.to_string());
    fields.add("address", other.offers.map(|address| address.to_string()));
    fields.add("class", text(&other.class));
    fields.add("file", text(&other.boot_file));
}
