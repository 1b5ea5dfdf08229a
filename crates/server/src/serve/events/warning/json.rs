//! The word and the fields of each warning.

use std::path::Path;

use netroot_printable::Printable;
use serde_json::Value;

use super::{NotKept, Warning};
use crate::confinement::Layer;
use crate::serve::events::fields::Fields;

/// `warning`, and the fields of that one.
pub(in crate::serve::events) fn add_fields(fields: &mut Fields, warning: &Warning) {
    match warning {
        Warning::StateFolder { folder, error } => {
            fields.add("warning", "state-folder");
            fields.add("path", folder.to_string_lossy());
            fields.add("error", error.as_str());
        }
        Warning::NotOurFolder {
            folder,
            option: _,
            has_unified: _,
        } => {
            fields.add("warning", "not-our-folder");
            fields.add("path", folder.to_string_lossy());
        }
        Warning::NotConfined { layer } => {
            fields.add("warning", "not-confined");
            let layer = match layer {
                Layer::Landlock => "landlock",
                Layer::Seccomp => "seccomp",
            };
            fields.add("layer", layer);
        }
        Warning::NoDhcpServer { interface } => {
            fields.add("warning", "no-dhcp-server");
            fields.add("interface", interface.as_str());
        }
        Warning::SignerEnded => fields.add("warning", "signer-ended"),
        Warning::IsolationEnded => fields.add("warning", "isolation-ended"),
        Warning::ForwardingBlocked {
            interface,
            by,
            cure,
        } => {
            fields.add("warning", "forwarding-blocked");
            fields.add("interface", interface.as_str());
            fields.add("by", by.as_str());
            fields.add("cure", cure.join(" && "));
        }
        Warning::TwoDhcpServers { server } => {
            fields.add("warning", "two-dhcp-servers");
            fields.add("server", server.to_string());
        }
        Warning::ClaimsBoot {
            server,
            class,
            cures: _,
        } => {
            fields.add("warning", "dhcp-claims-boot");
            fields.add("server", server.to_string());
            fields.add("class", class.as_str());
        }
        Warning::NamesFile {
            server,
            file,
            cures: _,
        } => {
            fields.add("warning", "dhcp-names-file");
            fields.add("server", server.to_string());
            fields.add("file", file.as_str());
        }
        Warning::LeasesNotAllowed {
            server,
            offers,
            interface,
            networks: _,
        } => {
            fields.add("warning", "leases-not-allowed");
            fields.add("server", server.to_string());
            fields.add("address", offers.to_string());
            fields.add("interface", interface.as_str());
        }
        Warning::RangeNotAllowed { first, last } => {
            fields.add("warning", "range-not-allowed");
            fields.add("first", first.to_string());
            fields.add("last", last.to_string());
        }
        Warning::OtherProxy { server } => {
            fields.add("warning", "other-proxy");
            fields.add("server", server.to_string());
        }
        Warning::SignedIpxe { error } => {
            fields.add("warning", "signed-ipxe");
            fields.add("error", Printable(error).to_string());
        }
        Warning::SecureBoot { image, error } => {
            fields.add("warning", "secure-boot");
            fields.add("image", image.as_str());
            fields.add("error", Printable(error).to_string());
        }
        Warning::MissingLoader {
            loader,
            machines,
            searched,
            ..
        } => {
            fields.add("warning", "missing-loader");
            fields.add("loader", *loader);
            fields.add("machines", *machines);
            let searched = searched
                .iter()
                .map(|folder| Printable(&folder.to_string_lossy()).to_string());
            fields.add("searched", searched.collect::<Value>());
        }
        Warning::SecureBootsUnreadable(unread) => {
            fields.add("warning", "secure-boot-unreadable");
            unread.add_fields(fields);
        }
        Warning::OrdersUnreadable(unread) => {
            fields.add("warning", "orders-unreadable");
            unread.add_fields(fields);
        }
        Warning::OrdersUnwritable { file, error } => {
            fields.add("warning", "orders-unwritable");
            fields.add("path", file.to_string_lossy());
            fields.add("error", error.as_str());
        }
        Warning::AddressNotKept { name, address, why } => {
            fields.add("warning", "address-not-kept");
            fields.add("name", name.as_str());
            fields.add("address", address.to_string());
            let why = match why {
                NotKept::Proxy => "proxy",
                NotKept::Elsewhere => "elsewhere",
                NotKept::Taken => "taken",
            };
            fields.add("why", why);
        }
        Warning::LeasesUnreadable { file, error } => {
            fields.add("warning", "leases-unreadable");
            fields.add("path", file.to_string_lossy());
            fields.add("error", error.as_str());
        }
        Warning::LeasesUnwritable { file, error } => {
            fields.add("warning", "leases-unwritable");
            fields.add("path", file.to_string_lossy());
            fields.add("error", error.as_str());
        }
        Warning::NoPortmapper { error } => {
            fields.add("warning", "no-portmapper");
            fields.add("error", error.as_str());
        }
        Warning::ExportKey { file, error } => {
            fields.add("warning", "export-key");
            fields.add("path", file.to_string_lossy());
            fields.add("error", error.as_str());
        }
        Warning::ConfigurationKept { error } => {
            fields.add("warning", "configuration-kept");
            fields.add("error", error.as_str());
        }
        Warning::WithoutEffect { error } => {
            fields.add("warning", "without-effect");
            fields.add("error", error.as_str());
        }
        Warning::DropInLeftOut { error } => {
            fields.add("warning", "drop-in-left-out");
            fields.add("error", error.as_str());
        }
        Warning::SwapNotServed { image, error } => {
            fields.add("warning", "swap-not-served");
            if let Some(image) = image {
                fields.add("image", image.as_str());
            }
            fields.add("error", error.as_str());
        }
        Warning::TreeGone { error } => {
            fields.add("warning", "tree-gone");
            fields.add("error", error.as_str());
        }
        Warning::OtherHandles { root, machines } => {
            fields.add("warning", "other-handles");
            fields.add("path", root.to_string_lossy());
            let machines: Vec<String> = machines.iter().map(ToString::to_string).collect();
            fields.add("machines", machines.as_slice());
        }
        Warning::TakesRestart { what } => {
            fields.add("warning", "takes-restart");
            fields.add("what", what.as_slice());
        }
        Warning::RootGone { root } => {
            fields.add("warning", "root-gone");
            fields.add("path", root.to_string_lossy());
        }
        Warning::RootNotFollowed { root, error } => {
            fields.add("warning", "root-not-followed");
            fields.add("path", root.to_string_lossy());
            fields.add("error", error.as_str());
        }
        Warning::KernelKept {
            image,
            linux,
            modules_gone,
            error,
        } => {
            fields.add("warning", "kernel-kept");
            fields.add("image", image.as_str());
            fields.add("linux", linux.as_str());
            fields.add("modules_gone", *modules_gone);
            fields.add("error", error.as_str());
        }
        Warning::NoNicInitrd { image, nic, error } => {
            fields.add("warning", "no-nic-initrd");
            fields.add("image", image.as_str());
            fields.add("nic", nic.as_str());
            fields.add("error", error.as_str());
        }
        Warning::NoUnified { image, error } => {
            fields.add("warning", "no-unified-image");
            fields.add("image", image.as_str());
            fields.add("error", Printable(error).to_string());
        }
        Warning::UnifiedLeavesOut { image, left_out } => {
            fields.add("warning", "unified-image-leaves-out");
            fields.add("image", image.as_str());
            fields.add("left_out", Printable(&left_out.join(" ")).to_string());
        }
        Warning::GenerationLeftOut { image, error } => {
            fields.add("warning", "generation-left-out");
            fields.add("image", image.as_str());
            fields.add("error", error.as_str());
        }
        Warning::GenerationMissing { image, by, ordered } => {
            fields.add("warning", "generation-missing");
            fields.add("image", image.as_str());
            fields.add("by", by.as_str());
            fields.add("ordered", *ordered);
        }
        Warning::ImageKept { image, error } => {
            fields.add("warning", "image-kept");
            fields.add("image", image.as_str());
            fields.add("error", error.as_str());
        }
        Warning::LoadersKept { error } => {
            fields.add("warning", "loaders-kept");
            fields.add("error", error.as_str());
        }
        Warning::NoControl { path, error } => {
            fields.add("warning", "no-control");
            fields.add("path", path.to_string_lossy());
            fields.add("error", error.as_str());
        }
        Warning::ApiCertificate { error } => {
            fields.add("warning", "api-certificate");
            fields.add("error", error.as_deref());
        }
        Warning::ApiTokens { error } => {
            fields.add("warning", "api-tokens");
            fields.add("error", error.as_deref());
        }
        Warning::Hook {
            url,
            error,
            left_alone,
        } => {
            fields.add("warning", "hook");
            fields.add("url", url.as_str());
            fields.add("error", error.as_str());
            fields.add("left_alone", left_alone.map(|time| time.as_secs()));
        }
        Warning::ApiPlain { listen } => {
            fields.add("warning", "api-plain");
            fields.add("listen", listen.as_str());
        }
        Warning::PrivateKeys { root, files } => {
            fields.add("warning", "private-keys");
            add_files(fields, root, files);
        }
        Warning::PasswordHashes { root, files } => {
            fields.add("warning", "password-hashes");
            add_files(fields, root, files);
        }
        Warning::OwnRoot => fields.add("warning", "own-root"),
        Warning::Submounts(below) => {
            fields.add("warning", "submounts");
            fields.add("root", below.root.to_string_lossy());
            let paths = |paths: &[String]| {
                let paths = paths.iter().map(|path| Printable(path).to_string());
                paths.collect::<Value>()
            };
            fields.add("served", paths(&below.served));
            let unserved = below.unserved.iter();
            let unserved = unserved.map(|(why, unserved)| (why.clone(), paths(unserved)));
            fields.add("unserved", unserved.collect::<Value>());
        }
        Warning::NoFileHandles { root } => {
            fields.add("warning", "no-file-handles");
            fields.add("root", root.to_string_lossy());
        }
        Warning::NoIpv6 { interface, error } => {
            fields.add("warning", "no-ipv6");
            fields.add("interface", interface.as_str());
            fields.add("error", error.as_str());
        }
        Warning::RangeElsewhere {
            interface,
            first,
            last,
        } => {
            fields.add("warning", "range-elsewhere");
            fields.add("interface", interface.clone());
            fields.add("first", first.to_string());
            fields.add("last", last.to_string());
        }
        Warning::NotFollowed { interface, error } => {
            fields.add("warning", "not-followed");
            fields.add("interface", interface.clone());
            fields.add("error", error.clone());
        }
        Warning::RangeExhausted {
            first,
            last,
            leased,
            set_aside,
        } => {
            fields.add("warning", "range-exhausted");
            fields.add("first", first.to_string());
            fields.add("last", last.to_string());
            fields.add("leased", *leased);
            fields.add("set_aside", *set_aside);
        }
    }
}

fn add_files(fields: &mut Fields, root: &Path, files: &[String]) {
    fields.add("root", root.to_string_lossy());
    let files = files.iter().map(|file| Printable(file).to_string());
    fields.add("files", files.collect::<Value>());
}
