//! Files: TFTP from one port, and trees of more than one file system.

use std::net::UdpSocket;

use anyhow::{Context, Result};

use super::lab::{Lab, SERVER, TIMEOUT};
use super::row::Row;

const S04: (&str, &str) = (
    "S04",
    "raspberrypi/rpi-eeprom#74, raspberrypi/firmware#1700",
);

pub(super) fn rows() -> Result<Vec<Row>> {
    let mut lab = Lab::new("files")?;
    lab.serve(&[])?;
    let after = |wanted: &str, last: Last| lab.client.within(|| next_file(wanted, last));
    Ok(vec![
        Row::new(
            S04,
            "another file from the same port, the last ACK of the one before not sent",
            "the other file's options",
            after("snponly.efi", Last::Kept),
        ),
        Row::new(
            S04,
            "the same file with other options from the same port, after a probe of its size",
            "the other file's options",
            after("undionly.kpxe", Last::Probe),
        ),
        Row::new(
            S04,
            "another file from the same port, the one before ended well",
            "the other file's options",
            after("snponly.efi", Last::Sent),
        ),
    ])
}

/// How the first transfer ends.
#[derive(PartialEq)]
enum Last {
    /// Its last ACK is not sent.
    Kept,
    Sent,
    /// It is not begun: only the size was asked for.
    Probe,
}

/// Asks for a file, and for `wanted` from the same port; what answers that.
fn next_file(wanted: &str, last: Last) -> Result<String> {
    let socket = UdpSocket::bind("0.0.0.0:6970")?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    let mut buffer = [0; 2000];
    socket.send_to(&request("undionly.kpxe", 512), (SERVER, 69))?;
    let (_, mut transfer) = socket.recv_from(&mut buffer).context("the first OACK")?;
    if last != Last::Probe {
        socket.send_to(&[0, 4, 0, 0], transfer)?;
        loop {
            let (length, from) = socket.recv_from(&mut buffer).context("a block")?;
            transfer = from;
            let block = buffer.get(2..4).context("a number")?.to_vec();
            let is_last = length < 512 + 4;
            if is_last && last == Last::Kept {
                break;
            }
            socket.send_to(&[&[0, 4], block.as_slice()].concat(), transfer)?;
            if is_last {
                break;
            }
        }
    }
    // As a ROM does, until it is answered.
    socket.set_read_timeout(Some(std::time::Duration::from_secs(2)))?;
    for _ in 0..60 {
        socket.send_to(&request(wanted, 1024), (SERVER, 69))?;
        while let Ok((length, _)) = socket.recv_from(&mut buffer) {
            let answer = buffer.get(..length).unwrap_or_default();
            if answer.starts_with(&[0, 6]) && contains(answer, b"1024") {
                return Ok("the other file's options".to_owned());
            }
        }
    }
    Ok("no answer to the second request".to_owned())
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

fn request(name: &str, block: usize) -> Vec<u8> {
    let text = format!("\0\u{1}{name}\0octet\0tsize\00\0blksize\0{block}\0");
    text.into_bytes()
}
