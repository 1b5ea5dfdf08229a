//! AUTH_SYS and AUTH_NONE (RFC 5531 §8): the user that a call is made for.
//!
//! The uid is trusted, as always with AUTH_SYS; access by hosts is controlled by the address list.

use crate::rpc::decode::{Decoder, Malformed};

/// RFC 5531 appendix A.
const MAX_GROUPS: usize = 16;
const MAX_MACHINE_NAME: usize = 255;
const AUTH_NONE: u32 = 0;
const AUTH_SYS: u32 = 1;

/// The uid and gid of a call with AUTH_NONE: `nobody` and `nogroup` on Linux.
const NOBODY: u32 = 65534;

/// The user on the client for whom a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Credentials {
    uid: u32,
    gid: u32,
    groups: [u32; MAX_GROUPS],
    group_count: usize,
}

impl Credentials {
    /// `None` for an unsupported flavour or a malformed credential.
    pub(crate) fn from_credential(flavour: u32, body: &[u8]) -> Option<Self> {
        match flavour {
            AUTH_NONE => Some(Self::nobody()),
            AUTH_SYS => Self::from_auth_sys(body).ok(),
            _ => None,
        }
    }

    pub(crate) fn nobody() -> Self {
        Self {
            uid: NOBODY,
            gid: NOBODY,
            groups: [0; MAX_GROUPS],
            group_count: 0,
        }
    }

    fn from_auth_sys(body: &[u8]) -> Result<Self, Malformed> {
        let mut decoder = Decoder::new(body);
        let _stamp = decoder.u32()?;
        let _machine = decoder.opaque(MAX_MACHINE_NAME)?;
        let mut credentials = Self::nobody();
        credentials.uid = decoder.u32()?;
        credentials.gid = decoder.u32()?;
        credentials.group_count = usize::try_from(decoder.u32()?).map_err(|_| Malformed)?;
        let groups = credentials
            .groups
            .get_mut(..credentials.group_count)
            .ok_or(Malformed)?;
        for group in groups {
            *group = decoder.u32()?;
        }
        Ok(credentials)
    }

    pub(crate) fn uid(&self) -> u32 {
        self.uid
    }

    pub(crate) fn in_group(&self, group: u32) -> bool {
        self.gid == group
            || self
                .groups
                .iter()
                .take(self.group_count)
                .any(|member| *member == group)
    }
}

#[cfg(test)]
impl Credentials {
    pub(crate) fn user(uid: u32, gid: u32, groups: &[u32]) -> Self {
        let mut user = Self::nobody();
        (user.uid, user.gid, user.group_count) = (uid, gid, groups.len());
        for (to, from) in user.groups.iter_mut().zip(groups) {
            *to = *from;
        }
        user
    }
}
