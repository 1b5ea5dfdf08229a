//! The answer that has a file, or a part of it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http_body_util::Either;
use hyper::body::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};

use super::byte_range::{self, Part};
use super::direct::Parts;
use super::reply::{Answer, page};
use super::site::Site;
use super::transfer::{Transfer, TransferLog};
use crate::catalog::{ImageFile, file_of_image};
use crate::serve::api::ApiBody;
use crate::serve::artifacts::Artifact;
use crate::serve::counters::Counters;
use crate::serve::events::Machine;

/// How far the beginning of a disk goes, in bytes: the boot sector, or a CD's first descriptor.
const DISK_START: u64 = 16 * 2048;

/// The answer with the file, or with the part of it that was asked for.
pub(super) fn deliver(
    artifact: Artifact,
    name: String,
    wanted: Option<&str>,
    head: bool,
    peer: IpAddr,
    parts: &Arc<Parts>,
    site: &Site,
) -> Answer {
    let length = artifact.content.length();
    let (status, start, end) = match byte_range::parse(wanted, length) {
        Part::Whole => (StatusCode::OK, 0, length),
        Part::Slice { first, last } => (StatusCode::PARTIAL_CONTENT, first, last + 1),
        Part::Unsatisfiable => {
            Counters::count(&site.counters.http_refused);
            let mut refusal = page(
                StatusCode::RANGE_NOT_SATISFIABLE,
                format!("{name} has {length} bytes\n"),
            );
            insert(
                &mut refusal,
                header::CONTENT_RANGE,
                &format!("bytes */{length}"),
            );
            return refusal;
        }
    };
    Counters::count(&site.counters.http_answered);
    let machine = Machine::Address(peer);
    let fetching = site
        .timeline
        .fetching(machine, artifact.machine, artifact.kind);
    let logged = !is_later_read(&name, start);
    let body = if head {
        // hyper sends only the headers for HEAD; the length below is that of the GET.
        Either::Right(ApiBody::Whole(Bytes::new()))
    } else {
        Either::Left(Transfer {
            position: start,
            end,
            length: end - start,
            content: artifact.content,
            reads: Arc::clone(&site.reads),
            client: peer,
            reading: None,
            parts: Arc::clone(parts),
            log: logged.then(|| TransferLog {
                machine,
                script_of: artifact.machine,
                kind: artifact.kind,
                name,
                length: end - start,
                chosen: artifact.chosen,
                began: Instant::now(),
                timeline: site.timeline.clone(),
                _fetching: fetching,
            }),
        })
    };
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(artifact.content_type),
    );
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(end - start));
    if status == StatusCode::PARTIAL_CONTENT {
        let slice = format!("bytes {start}-{}/{length}", end.saturating_sub(1));
        insert(&mut answer, header::CONTENT_RANGE, &slice);
    }
    answer
}

/// Whether it is a read of a disk behind what tells firmware where it boots from: a system makes thousands, a block each,
/// and the first have been logged.
fn is_later_read(name: &str, start: u64) -> bool {
    let file = file_of_image(name).map(|named| named.file);
    matches!(file, Some(ImageFile::Disk | ImageFile::Iso)) && start > DISK_START
}

fn insert(answer: &mut Answer, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_disk_only_the_first_blocks_are_logged() {
        for (name, start, later) in [
            ("images/dos/disk.img-0a", 0, false),
            ("images/dos/disk.img-0a", 1 << 20, true),
            ("images/cd/cd.iso", 16 * 2048, false),
            ("images/cd/cd.iso", 17 * 2048, true),
            ("images/debian/vmlinuz", 1 << 20, false),
            ("big", 1 << 20, false),
        ] {
            assert_eq!(is_later_read(name, start), later, "{name} {start}");
        }
    }
}
