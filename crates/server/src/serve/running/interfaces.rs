//! The interfaces while they are served: their tasks, and what is done when an interface is not what it was.
//!
//! The kernel tells of changes ([`ChangeSocket`]). From that moment on nobody is answered with an address that is gone;
//! a little later, when several changes have become one, each interface is compared with what it was
//! ([`served`]), its sockets are made anew where that is necessary, by the helper process, and it is told in
//! one line. Transfers and connections go on: they have sockets of their own.

mod served;
mod shared_services;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use netroot_nfs_export::AddressList;
use netroot_sys::readable;
use tokio::task::JoinSet;

use self::served::Served;
pub(super) use self::shared_services::SharedServices;
use crate::serve::dhcp::service as dhcp;
use crate::serve::events::ReadyListener;
use crate::serve::listen::allowed::Allowed;
use crate::serve::listen::interface::{ChangeSocket, Interface, RouteSocket};
use crate::serve::listen::{Listener, arrivals};
use crate::serve::privileged_helper::{Client, NetworkRequest};
use crate::serve::status::Status;
use crate::settings::Allow;

/// How long changes are collected after the first: an address is changed by removing one and adding another.
const SETTLE: Duration = Duration::from_millis(300);
/// How long until what failed is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// What follows the interfaces.
#[derive(Debug)]
pub(crate) struct Following {
    /// Where interfaces are listed.
    pub(crate) routes: RouteSocket,
    /// Where the kernel tells of changes.
    pub(crate) changes: Arc<ChangeSocket>,
    /// Who may mount and load, as configured.
    pub(crate) allow: Allow,
    /// Who may mount, as the exports know it.
    pub(crate) exports: Option<AddressList>,
}

/// The interfaces that are served.
#[derive(Debug)]
pub(super) struct Interfaces {
    services: SharedServices,
    following: Following,
    helper: Client<NetworkRequest>,
    served: Vec<Served>,
    /// The tasks of all of them. None ends unless it fails or is stopped.
    tasks: JoinSet<io::Result<()>>,
}

impl Interfaces {
    /// Serves all listeners. Call it within the runtime.
    pub(super) fn start(
        listeners: Vec<Listener>,
        following: Following,
        helper: Client<NetworkRequest>,
        services: SharedServices,
    ) -> io::Result<Self> {
        let mut all = Self {
            services,
            following,
            helper,
            served: Vec::new(),
            tasks: JoinSet::new(),
        };
        for (number, listener) in (0..).zip(listeners) {
            let served = Served::start(
                &all.services,
                number,
                listener,
                &all.following.changes,
                &mut all.tasks,
            )?;
            all.served.push(served);
        }
        Ok(all)
    }

    /// The DHCP services, whose last leases are written at the end.
    pub(super) fn dhcp(&self) -> Vec<Arc<dhcp::Service>> {
        let services = self.served.iter().map(|served| Arc::clone(&served.dhcp));
        services.collect()
    }

    /// Follows the interfaces until the runtime ends.
    ///
    /// # Errors
    /// A task's.
    pub(super) async fn follow(mut self) -> io::Result<()> {
        let waiting = self.following.changes.try_clone_for_polling()?;
        let waiting = readable::udp(waiting)?;
        loop {
            let changes = &self.following.changes;
            let again = self.served.iter().any(|served| served.failed.is_some());
            tokio::select! {
                () = arrivals::next(&waiting, || changes.changed()) => {}
                () = tokio::time::sleep(AGAIN), if again => {}
                Some(ended) = self.tasks.join_next() => {
                    match ended {
                        Err(stopped) if stopped.is_cancelled() => {}
                        ended => ended.map_err(io::Error::other)??,
                    }
                    continue;
                }
            }
            let end = tokio::time::Instant::now() + SETTLE;
            loop {
                self.unsettle_changed();
                tokio::select! {
                    () = arrivals::next(&waiting, || changes.changed()) => {}
                    () = tokio::time::sleep_until(end) => break,
                }
            }
            self.look().await;
        }
    }

    /// From now on nobody is answered by an interface that has lost an address.
    fn unsettle_changed(&self) {
        let Ok(candidates) = self.following.routes.list() else {
            return;
        };
        for served in &self.served {
            let now = served.followed.clone().look(&candidates);
            let keeps = |before: &Interface| match now.served() {
                Some(now) => before.ipv4_addresses().all(|(own, _)| now.has(own)),
                None => false,
            };
            if !served.before.served().is_none_or(keeps) {
                served.live.unsettle();
            }
        }
    }

    async fn look(&mut self) {
        let candidates = match self.following.routes.list() {
            Ok(candidates) => candidates,
            Err(error) => {
                for served in &mut self.served {
                    served.tell_failure(&error.to_string(), &self.services.site.timeline);
                }
                return;
            }
        };
        for served in &mut self.served {
            let followed =
                served.follow(&candidates, &self.services, &self.helper, &mut self.tasks);
            followed.await;
        }
        self.publish();
    }

    /// Who may mount and load, and what the status page shows.
    fn publish(&self) {
        let last: Vec<Arc<Interface>> = self.served.iter().map(|one| one.live.last()).collect();
        let roles = self.served.iter().map(|served| &served.dhcp.role);
        let listeners = roles.zip(last.iter().map(Arc::as_ref));
        let allowed = Allowed::new(&self.following.allow, listeners);
        if let Some(exports) = &self.following.exports {
            exports.set(allowed.mount.iter().copied());
        }
        self.services.allowed.set(allowed);
        let http_port = self.services.http_port;
        let listener = |served: &Served| -> Option<ReadyListener> {
            let interface = served.live.served()?;
            Some(Status::listener(&served.dhcp.role, &interface, http_port))
        };
        let listeners = self.served.iter().filter_map(listener).collect();
        self.services.status.set_listeners(listeners);
    }
}
