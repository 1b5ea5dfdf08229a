//! RPC messages (RFC 5531): parses calls and writes the headers of replies.

use nfs3_types::rpc::{
    RPC_VERSION_2, accept_stat_data, accepted_reply, auth_stat, msg_body, opaque_auth,
    rejected_reply, reply_body, rpc_msg,
};

use crate::rpc::credentials::Credentials;
use crate::rpc::decode::{Decoder, Malformed};
use crate::rpc::reply_buffer::ReplyBuffer;

/// The longest body of a credential or verifier, in bytes (RFC 5531 §8.2).
const MAX_AUTH_BODY: usize = 400;

/// A call that can be dispatched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) xid: u32,
    pub(crate) program: u32,
    pub(crate) version: u32,
    pub(crate) procedure: u32,
    pub(crate) credentials: Credentials,
    pub(crate) arguments: Decoder<'a>,
}

/// A parsed message.
#[derive(Debug)]
pub(crate) enum Message<'a> {
    Call(Call<'a>),
    /// A call to be answered with MSG_DENIED.
    Denied {
        xid: u32,
        why: Denial,
    },
    /// Not a call: it gets no answer.
    Ignore(Reason),
}

/// Why a call is denied before it is dispatched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denial {
    /// Not RPC version 2.
    RpcVersion,
    /// A malformed credential, or one that is neither AUTH_NONE nor AUTH_SYS. Also the answer to a client that asks for
    /// TLS (RFC 9289 §4.1), which then continues without.
    Credential,
    /// No export may be mounted from the client's address.
    Address,
}

/// Why a message gets no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It is shorter than the header of a call.
    Truncated,
    /// It is a reply, or neither a call nor a reply.
    NotACall,
}

/// Parses the header of a message.
pub(crate) fn parse(message: &[u8]) -> Message<'_> {
    let mut decoder = Decoder::new(message);
    let (Ok(xid), Ok(kind)) = (decoder.u32(), decoder.u32()) else {
        return Message::Ignore(Reason::Truncated);
    };
    if kind != 0 {
        return Message::Ignore(Reason::NotACall);
    }
    let Ok(rpc_version) = decoder.u32() else {
        return Message::Ignore(Reason::Truncated);
    };
    if rpc_version != RPC_VERSION_2 {
        return Message::Denied {
            xid,
            why: Denial::RpcVersion,
        };
    }
    match head(&mut decoder) {
        Err(Malformed) => Message::Ignore(Reason::Truncated),
        Ok((_, Err(why))) => Message::Denied { xid, why },
        Ok(([program, version, procedure], Ok(credentials))) => Message::Call(Call {
            xid,
            program,
            version,
            procedure,
            credentials,
            arguments: decoder,
        }),
    }
}

type Head = ([u32; 3], Result<Credentials, Denial>);

fn head(decoder: &mut Decoder<'_>) -> Result<Head, Malformed> {
    let procedure = [decoder.u32()?, decoder.u32()?, decoder.u32()?];
    let flavour = decoder.u32()?;
    let body = decoder.opaque(MAX_AUTH_BODY)?;
    let _verifier_flavour = decoder.u32()?;
    let _verifier = decoder.opaque(MAX_AUTH_BODY)?;
    let credentials = Credentials::from_credential(flavour, body).ok_or(Denial::Credential);
    Ok((procedure, credentials))
}

/// Why an accepted call is not executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unavailable {
    /// No such program on this port.
    Program,
    /// The program exists in the versions from `low` to `high` only.
    Version {
        low: u32,
        high: u32,
    },
    Procedure,
    /// The arguments do not decode.
    GarbageArguments,
}

/// Writes the header of a successful reply; the results follow.
pub(crate) fn begin_success(out: &mut ReplyBuffer, xid: u32) {
    accepted(out, xid, accept_stat_data::SUCCESS);
}

/// Writes the whole reply to a call that is not executed.
pub(crate) fn unavailable(out: &mut ReplyBuffer, xid: u32, why: Unavailable) {
    let status = match why {
        Unavailable::Program => accept_stat_data::PROG_UNAVAIL,
        Unavailable::Version { low, high } => accept_stat_data::PROG_MISMATCH { low, high },
        Unavailable::Procedure => accept_stat_data::PROC_UNAVAIL,
        Unavailable::GarbageArguments => accept_stat_data::GARBAGE_ARGS,
    };
    accepted(out, xid, status);
}

/// Writes the whole reply to a call that is denied.
pub(crate) fn denied(out: &mut ReplyBuffer, xid: u32, why: Denial) {
    let reply = match why {
        Denial::RpcVersion => rejected_reply::rpc_mismatch(RPC_VERSION_2, RPC_VERSION_2),
        Denial::Credential => rejected_reply::auth_error(auth_stat::AUTH_BADCRED),
        Denial::Address => rejected_reply::auth_error(auth_stat::AUTH_TOOWEAK),
    };
    message(out, xid, reply_body::MSG_DENIED(reply));
}

fn accepted(out: &mut ReplyBuffer, xid: u32, reply_data: accept_stat_data) {
    let verf = opaque_auth::default();
    message(
        out,
        xid,
        reply_body::MSG_ACCEPTED(accepted_reply { verf, reply_data }),
    );
}

fn message(out: &mut ReplyBuffer, xid: u32, body: reply_body<'_>) {
    out.pack(&rpc_msg {
        xid,
        body: msg_body::REPLY(body),
    });
}

#[cfg(test)]
mod tests {
    use nfs3_types::rpc::{auth_flavor, auth_unix, call_body};
    use nfs3_types::xdr_codec::{Opaque, Pack};
    use proptest::prelude::*;

    use super::*;

    fn call(rpcvers: u32, cred: opaque_auth<'static>) -> Vec<u8> {
        let mut bytes = Vec::new();
        rpc_msg {
            xid: 77,
            body: msg_body::CALL(call_body {
                rpcvers,
                prog: 100_003,
                vers: 3,
                proc: 1,
                cred,
                verf: opaque_auth::default(),
            }),
        }
        .pack(&mut bytes)
        .unwrap();
        bytes
    }

    fn auth_sys(gids: Vec<u32>) -> opaque_auth<'static> {
        opaque_auth::auth_unix(&auth_unix {
            stamp: 1,
            machinename: Opaque::borrowed(b"client"),
            uid: 1000,
            gid: 100,
            gids,
        })
    }

    #[test]
    fn a_call_with_auth_sys_carries_its_credentials() {
        let bytes = [&call(2, auth_sys(vec![4, 24]))[..], b"args"].concat();
        let Message::Call(call) = parse(&bytes) else {
            panic!("not a call");
        };
        assert_eq!(
            (call.xid, call.program, call.version, call.procedure),
            (77, 100_003, 3, 1)
        );
        assert!(
            call.credentials.in_group(24)
                && call.credentials.in_group(100)
                && !call.credentials.in_group(5)
        );
        assert_eq!(call.arguments.rest(), b"args");
    }

    #[test]
    fn seventeen_groups_are_a_bad_credential() {
        let bytes = call(2, auth_sys(vec![1; 17]));
        assert!(matches!(
            parse(&bytes),
            Message::Denied {
                xid: 77,
                why: Denial::Credential
            }
        ));
    }

    #[test]
    fn an_unknown_flavour_is_a_bad_credential() {
        let cred = opaque_auth {
            flavor: auth_flavor::AUTH_DES,
            body: Opaque::borrowed(b""),
        };
        assert!(matches!(
            parse(&call(2, cred)),
            Message::Denied {
                why: Denial::Credential,
                ..
            }
        ));
    }

    #[test]
    fn another_rpc_version_is_denied() {
        assert!(matches!(
            parse(&call(3, opaque_auth::default())),
            Message::Denied {
                xid: 77,
                why: Denial::RpcVersion
            }
        ));
    }

    #[test]
    fn every_truncation_of_a_call_is_ignored() {
        let bytes = call(2, auth_sys(vec![1, 2, 3]));
        for length in 0..bytes.len() {
            assert!(
                matches!(parse(&bytes[..length]), Message::Ignore(Reason::Truncated)),
                "{length} bytes of {}",
                bytes.len()
            );
        }
    }

    #[test]
    fn a_reply_is_ignored() {
        assert!(matches!(
            parse(&[0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0]),
            Message::Ignore(Reason::NotACall)
        ));
    }

    proptest! {
        #[test]
        fn random_messages_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn a_random_change_to_a_call_never_panics(position in any::<proptest::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = call(2, auth_sys(vec![1, 2, 3]));
            let position = position.index(bytes.len());
            bytes[position] = byte;
            let _ = parse(&bytes);
        }
    }
}
