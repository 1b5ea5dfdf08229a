//! The helper for the network's sockets as descriptors, and back.

use std::os::fd::OwnedFd;

use super::answer::{Answer, Done};
use crate::serve::listen::sockets::{DeviceSockets, Listening};

/// The bits of what may be missing.
const FIRST: u8 = 1;
const SECOND: u8 = 2;

/// The first four always, ARP's and the solicitations' if there are such.
pub(super) fn device_answer(sockets: DeviceSockets) -> Answer {
    let mut files: Vec<OwnedFd> = vec![
        sockets.dhcp.into(),
        sockets.binl.into(),
        sockets.tftp.into(),
        sockets.frames.into(),
    ];
    let mut present = 0;
    if let Some(arp) = sockets.arp {
        present |= FIRST;
        files.push(arp.into());
    }
    let mut text = String::new();
    match sockets.solicitations {
        Ok(socket) => {
            present |= SECOND;
            files.push(socket.into());
        }
        Err(error) => text = error,
    }
    Answer {
        present,
        content: text.into_bytes(),
        ..Answer::done(files)
    }
}

/// The sockets of [`device_answer`].
pub(super) fn device_sockets(mut done: Done) -> Option<DeviceSockets> {
    Some(DeviceSockets {
        dhcp: done.files.next()?.into(),
        binl: done.files.next()?.into(),
        tftp: done.files.next()?.into(),
        frames: done.files.next()?.into(),
        arp: match done.present & FIRST {
            0 => None,
            _ => Some(done.files.next()?.into()),
        },
        solicitations: match done.present & SECOND {
            0 => Err(done.text().into_owned()),
            _ => Ok(done.files.next()?.into()),
        },
    })
}

/// HTTP's always, that of NFS and the two of the portmapper if there are such.
pub(super) fn listen_answer(listening: Listening) -> Answer {
    let mut files: Vec<OwnedFd> = vec![listening.http.into()];
    let mut present = 0;
    if let Some(nfs) = listening.nfs {
        present |= FIRST;
        files.push(nfs.into());
    }
    if let Some((tcp, udp)) = listening.portmapper {
        present |= SECOND;
        files.extend([OwnedFd::from(tcp), udp.into()]);
    }
    Answer {
        present,
        ..Answer::done(files)
    }
}

/// The sockets of [`listen_answer`].
pub(super) fn listening(mut done: Done) -> Option<Listening> {
    Some(Listening {
        http: done.files.next()?.into(),
        nfs: match done.present & FIRST {
            0 => None,
            _ => Some(done.files.next()?.into()),
        },
        portmapper: match done.present & SECOND {
            0 => None,
            _ => Some((done.files.next()?.into(), done.files.next()?.into())),
        },
    })
}
