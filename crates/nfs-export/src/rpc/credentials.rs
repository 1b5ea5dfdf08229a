//! AUTH_SYS and AUTH_NONE (RFC 5531 §8): for whom a call is made.
//!
//! The uid is believed, as AUTH_SYS has it; the address list is what stands between a stranger and the root.

use crate::rpc::decode::{Decoder, Malformed};

/// RFC 5531 appendix A.
const MOST_GROUPS: usize = 16;
const LONGEST_MACHINE_NAME: usize = 255;
const AUTH_NONE: u32 = 0;
const AUTH_SYS: u32 = 1;

/// The uid and gid of a caller without a credential, on Linux `nobody` and `nogroup`.
const NOBODY: u32 = 65534;

/// The user on the client for whom a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Credentials {
    uid: u32,
    gid: u32,
    groups: [u32; MOST_GROUPS],
    group_count: usize,
}

impl Credentials {
    /// `None` for a flavour that is not spoken here or a credential that does not decode.
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
            groups: [0; MOST_GROUPS],
            group_count: 0,
        }
    }

    fn from_auth_sys(body: &[u8]) -> Result<Self, Malformed> {
        let mut decoder = Decoder::new(body);
        let _stamp = decoder.u32()?;
        let _machine = decoder.opaque(LONGEST_MACHINE_NAME)?;
        let mut caller = Self::nobody();
        caller.uid = decoder.u32()?;
        caller.gid = decoder.u32()?;
        caller.group_count = usize::try_from(decoder.u32()?).map_err(|_| Malformed)?;
        let groups = caller
            .groups
            .get_mut(..caller.group_count)
            .ok_or(Malformed)?;
        for group in groups {
            *group = decoder.u32()?;
        }
        Ok(caller)
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
