//! An input as a sequence of calls, which use what earlier replies have told.

mod choices;
mod encode;

use std::net::{IpAddr, Ipv4Addr};

use netroot_nfs_export::fuzzing::{Connection, Session};

use super::changes::Changes;
use super::input::Input;
use super::replies::{Checks, Learned, MOUNT, NFS, NFSACL, PORTMAP};
use choices::{MOUNTED, PATHS, PROCEDURES, count, credential, name, offset};
use encode::{auth_sys, opaque, words};

/// The most steps of an input, handles that it can choose from, and calls for one listing.
const STEPS: usize = 60;
const HANDLES: usize = 200;
const PARTS: usize = 2000;

/// One client of a session.
pub(super) struct Caller<'a> {
    session: &'a Session,
    checks: &'a mut Checks,
    connection: Connection<'a>,
    client: IpAddr,
    handles: Vec<Vec<u8>>,
    cookie: (u64, [u8; 8]),
    xid: u32,
}

fn client(number: u8) -> IpAddr {
    match number {
        // It may not mount anything.
        255 => Ipv4Addr::new(192, 0, 2, 1).into(),
        _ => Ipv4Addr::new(10, 0, 0, number).into(),
    }
}

fn record(last: bool, bytes: &[u8]) -> Vec<u8> {
    let mark = bytes.len() as u32 | if last { 1 << 31 } else { 0 };
    [&mark.to_be_bytes()[..], bytes].concat()
}

impl<'a> Caller<'a> {
    pub(super) fn new(session: &'a Session, checks: &'a mut Checks) -> Self {
        let client = client(1);
        let mut caller = Self {
            session,
            checks,
            connection: session.connect(client),
            client,
            handles: Vec::new(),
            cookie: (0, [0; 8]),
            xid: 0,
        };
        caller.find_paths();
        caller
    }

    /// MNT and LOOKUPs, as root.
    fn find_paths(&mut self) {
        let root = self.exchange(&self.as_root([MOUNT, 3, 1], &opaque(b"/debian")));
        let root = root.handles.into_iter().next().expect("the root's handle");
        for path in PATHS {
            let mut handle = root.clone();
            for name in path.split('/').filter(|name| !name.is_empty()) {
                let arguments = [opaque(&handle), opaque(name.as_bytes())].concat();
                let found = self.exchange(&self.as_root([NFS, 3, 3], &arguments));
                // There may be no devices, and nothing mounted.
                handle = found.handles.into_iter().next().unwrap_or(handle);
            }
            self.handles.push(handle);
        }
    }

    fn as_root(&self, procedure: [u32; 3], arguments: &[u8]) -> Vec<u8> {
        let [program, version, procedure] = procedure;
        let mut message = words(&[self.xid, 0, 2, program, version, procedure, 1]);
        message.extend(opaque(&auth_sys(0, 0, &[])));
        message.extend([0; 8]);
        message.extend(arguments);
        message
    }

    /// Sends one whole call.
    fn exchange(&mut self, message: &[u8]) -> Learned {
        self.xid += 1;
        let mut learned = Learned::default();
        let checks = &mut *self.checks;
        let received =
            self.connection
                .receive(&record(true, message), usize::MAX, |call, reply| {
                    learned = checks.record(call, reply);
                });
        received.expect("a record");
        learned
    }

    pub(super) fn run(mut self, input: &mut Input<'_>, mut changes: Option<&mut Changes>) {
        for _ in 0..STEPS {
            if input.is_empty() {
                break;
            }
            match input.byte() {
                0..=175 => self.call_and_send(input),
                176..=190 => self.walk(input, changes.as_deref_mut()),
                191..=196 => self.datagram(input),
                197..=205 => {
                    self.client = client(*input.pick(&[1, 2, 255]));
                    self.connection = self.session.connect(self.client);
                }
                _ => match &mut changes {
                    Some(changes) => changes.change(input),
                    None => self.call_and_send(input),
                },
            }
        }
    }

    fn learn(&mut self, learned: Learned) {
        for handle in learned.handles {
            if self.handles.len() < HANDLES && !self.handles.contains(&handle) {
                self.handles.push(handle);
            }
        }
        self.cookie = learned.cookie.unwrap_or(self.cookie);
    }

    /// A call or several, as records that are whole or not.
    fn call_and_send(&mut self, input: &mut Input<'_>) {
        let how = input.byte();
        let mut message = self.call(input);
        let stream = match how {
            0..=159 => record(true, &message),
            160..=175 => {
                let size = input.below(40) + 1;
                let mut stream: Vec<u8> = message
                    .chunks(size)
                    .flat_map(|part| record(false, part))
                    .collect();
                stream.extend(record(true, &[]));
                stream
            }
            176..=191 => {
                // Two calls in one record: the second is behind the arguments of the first.
                message.extend(self.call(input));
                record(true, &message)
            }
            192..=207 => {
                let calls = (0..input.below(12) + 1).map(|_| record(true, &self.call(input)));
                calls.collect::<Vec<_>>().concat()
            }
            208..=219 => {
                let length = input.below(message.len());
                record(true, &message[..length])
            }
            220..=229 => {
                let at = input.below(message.len());
                message[at] ^= 1 << (input.byte() & 7);
                record(true, &message)
            }
            230..=235 => {
                let length = input.below(70_000);
                message.resize(message.len() + length, input.byte());
                record(true, &message)
            }
            236..=245 => record(true, input.bytes(how.into())),
            _ => input.bytes(how.into()).to_vec(),
        };
        let piece = *input.pick(&[usize::MAX, 1, 3, 4, 7, 100, 4096]);
        let checks = &mut *self.checks;
        let mut all = Vec::new();
        let received = self.connection.receive(&stream, piece, |call, reply| {
            all.push(checks.record(call, reply));
        });
        all.into_iter().for_each(|learned| self.learn(learned));
        // What is no record, or the beginning of one, ends the connection.
        if received.is_err() || how >= 160 {
            self.connection = self.session.connect(self.client);
        }
    }

    fn datagram(&mut self, input: &mut Input<'_>) {
        let message = self.call(input);
        let reply = self.session.datagram(self.client, &message);
        assert!(
            reply.len() <= message.len(),
            "{} bytes for {}",
            reply.len(),
            message.len()
        );
        self.checks.reply(&message, &reply);
    }

    fn call(&mut self, input: &mut Input<'_>) -> Vec<u8> {
        let procedure = *input.pick(&PROCEDURES);
        let arguments = self.arguments(procedure, input);
        self.xid = self.xid.wrapping_add(1);
        let [program, version, procedure] = procedure;
        let mut message = words(&[self.xid, 0, 2, program, version, procedure]);
        let (flavour, credential) = credential(input);
        message.extend(words(&[flavour]));
        message.extend(opaque(&credential));
        message.extend([0; 8]);
        message.extend(arguments);
        message
    }

    fn arguments(&mut self, procedure: [u32; 3], input: &mut Input<'_>) -> Vec<u8> {
        let position = |caller: &Self, input: &mut Input<'_>| match input.byte() {
            0..=99 => (0, [0; 8]),
            100..=199 => caller.cookie,
            200..=220 => (input.u64(), caller.cookie.1),
            221..=240 => (u64::from(input.byte()), caller.cookie.1),
            _ => (caller.cookie.0, input.u64().to_be_bytes()),
        };
        let mut out = match procedure {
            [NFS | NFSACL, ..] => opaque(&self.handle(input)),
            _ => Vec::new(),
        };
        match procedure {
            [NFS, _, 3 | 8..=13] => out.extend(opaque(name(input))),
            [NFS, _, 4] | [NFSACL, _, 1] => out.extend(words(&[count(input)])),
            [NFS, _, 6 | 7 | 21] => {
                out.extend(offset(input).to_be_bytes());
                out.extend(words(&[count(input)]));
            }
            [NFS, _, 16 | 17] => {
                let (cookie, verifier) = position(self, input);
                out.extend(cookie.to_be_bytes());
                out.extend(verifier);
                out.extend(words(&[count(input), count(input)]));
            }
            [NFS, _, 14] => {
                out.extend(opaque(name(input)));
                out.extend(opaque(&self.handle(input)));
                out.extend(opaque(name(input)));
            }
            [NFS, _, 15] => {
                out.extend(opaque(&self.handle(input)));
                out.extend(opaque(name(input)));
            }
            [MOUNT, _, 1 | 3] => out.extend(opaque(input.pick::<&[u8]>(&MOUNTED))),
            [PORTMAP, ..] => {
                let [program, version, _] = *input.pick(&PROCEDURES);
                out.extend(words(&[
                    program,
                    version,
                    *input.pick(&[6, 17, 0]),
                    0,
                    0,
                    0,
                ]));
            }
            _ => {}
        }
        if matches!(procedure, [NFS, _, 2 | 7..=11] | [NFSACL, _, 2]) {
            let length = usize::from(input.byte());
            out.extend(input.bytes(length));
        }
        out
    }

    /// A handle that was given out, or one that resembles it.
    fn handle(&mut self, input: &mut Input<'_>) -> Vec<u8> {
        let how = input.byte();
        let mut handle = match how {
            0..=199 => return self.handles[usize::from(how) % self.handles.len()].clone(),
            _ => input.pick(&self.handles).clone(),
        };
        match how {
            200..=219 => {
                let at = input.below(handle.len());
                handle[at] ^= 1 << (input.byte() & 7);
            }
            220..=229 => handle.truncate(input.below(handle.len())),
            230..=237 => {
                let end = input.bytes(1 + usize::from(how) % 70);
                handle.extend(end);
            }
            238..=245 => {
                let (at, other) = (input.below(handle.len()), input.pick(&self.handles));
                handle = handle
                    .iter()
                    .take(at)
                    .chain(other.iter().skip(at))
                    .copied()
                    .collect();
            }
            _ => handle = input.bytes(64).to_vec(),
        }
        handle
    }

    /// Lists a directory to its end, as root.
    fn walk(&mut self, input: &mut Input<'_>, mut changes: Option<&mut Changes>) {
        let plus = input.byte() & 1;
        let directory = self.handles[input.below(self.handles.len())].clone();
        let counts = [count(input), count(input)];
        let (mut cookie, mut verifier) = (0_u64, [0; 8]);
        let mut names = Vec::new();
        for _part in 0..PARTS {
            let position = [&cookie.to_be_bytes()[..], &verifier].concat();
            let arguments = [opaque(&directory), position, words(&counts)].concat();
            let mut learned =
                self.exchange(&self.as_root([NFS, 3, 16 + u32::from(plus)], &arguments));
            names.append(&mut learned.names);
            let (Some(end), next) = (learned.listed, learned.cookie) else {
                // It failed, as is checked: no room for one entry, no directory, a changed one.
                return;
            };
            if end {
                return self.checks.listing(&directory, names);
            }
            let next = next.expect("a reply without entries that is not the last");
            assert_ne!(next.0, cookie, "the listing stays where it is");
            (cookie, verifier) = next;
            self.learn(learned);
            if let Some(changes) = changes
                .as_mut()
                .filter(|_| !input.is_empty() && input.byte() & 1 == 1)
            {
                changes.change(input);
            }
        }
        panic!("a listing without an end: {} names", names.len());
    }
}
