//! The interfaces while they are served: their tasks, and what is done when an interface is not what it was.
//!
//! The kernel tells of changes ([`ChangeSocket`]). From that moment on nobody is answered with an address that is gone;
//! a little later, when several changes have become one, each interface is compared with what it was
//! ([`interface::change`]), its sockets are made anew where that is necessary, by the helper process, and it is told in
//! one line. Transfers and connections go on: they have sockets of their own.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use netroot_nfs_export::{AddressList, Listeners};
use netroot_proto::dhcp::{BINL_PORT, SERVER_PORT};
use tokio::net::UdpSocket;
use tokio::task::{AbortHandle, JoinSet};

use crate::serve::clock::Clock;
use crate::serve::dhcp::{overhear, service as dhcp};
use crate::serve::events::{Event, Lack, ReadyListener, Timeline, Warning};
use crate::serve::ipv6_router;
use crate::serve::listen::allowed::{Allowed, LiveAllowed};
use crate::serve::listen::interface::{
    self, Candidate, ChangeSocket, Followed, Interface, Presence, RouteSocket,
};
use crate::serve::listen::live_interface::LiveInterface;
use crate::serve::listen::role::DhcpRole;
use crate::serve::listen::sockets::{DeviceSockets, Listening, Sockets};
use crate::serve::listen::{Listener, arrivals};
use crate::serve::privileged_helper::{Client, HelperError, NetworkRequest};
use crate::serve::status::Status;
use crate::serve::{http, tftp};
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

/// What the services of all interfaces have in common.
#[derive(Debug, Clone)]
pub(super) struct Common {
    pub(super) site: Arc<http::Site>,
    pub(super) http_port: u16,
    pub(super) allowed: Arc<LiveAllowed>,
    pub(super) clock: Clock,
    pub(super) status: Status,
}

/// The interfaces that are served.
#[derive(Debug)]
pub(super) struct Interfaces {
    common: Common,
    following: Following,
    helper: Client<NetworkRequest>,
    served: Vec<Served>,
    /// The tasks of all of them. None ends unless it fails or is stopped.
    tasks: JoinSet<io::Result<()>>,
}

/// One of them.
#[derive(Debug)]
struct Served {
    /// Its number in `Settings::networks`.
    number: u16,
    followed: Followed,
    /// As it was when it was looked at last.
    before: Presence,
    live: Arc<LiveInterface>,
    dhcp: Arc<dhcp::Service>,
    tftp: Arc<tftp::Service>,
    /// The tasks with the sockets of the interface with this index.
    device: (u32, Vec<AbortHandle>),
    /// HTTP's, by address.
    http: HashMap<IpAddr, AbortHandle>,
    /// Why it could not be served as it is, as it was told.
    failed: Option<String>,
}

impl Interfaces {
    /// Serves all listeners. Call it within the runtime.
    pub(super) fn start(
        listeners: Vec<Listener>,
        following: Following,
        helper: Client<NetworkRequest>,
        common: Common,
    ) -> io::Result<Self> {
        let mut all = Self {
            common,
            following,
            helper,
            served: Vec::new(),
            tasks: JoinSet::new(),
        };
        for (number, listener) in (0..).zip(listeners) {
            let served =
                all.common
                    .serve(number, listener, &all.following.changes, &mut all.tasks)?;
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
        let waiting = UdpSocket::from_std(waiting)?;
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
                    served.tell_failure(&error.to_string(), &self.common.site.timeline);
                }
                return;
            }
        };
        for served in &mut self.served {
            let followed = served.follow(&candidates, &self.common, &self.helper, &mut self.tasks);
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
        self.common.allowed.set(allowed);
        let http_port = self.common.http_port;
        let listener = |served: &Served| -> Option<ReadyListener> {
            let interface = served.live.served()?;
            Some(Status::listener(&served.dhcp.role, &interface, http_port))
        };
        let listeners = self.served.iter().filter_map(listener).collect();
        self.common.status.set_listeners(listeners);
    }
}

impl Common {
    /// Starts everything on one interface.
    fn serve(
        &self,
        number: u16,
        listener: Listener,
        changes: &Arc<ChangeSocket>,
        tasks: &mut JoinSet<io::Result<()>>,
    ) -> io::Result<Served> {
        let Listener {
            interface,
            followed,
            role,
            sockets,
            ..
        } = listener;
        let site = &self.site;
        let changes = Arc::clone(changes);
        let live = Arc::new(LiveInterface::followed(interface.clone(), changes));
        let shared = tftp::Shared {
            artifacts: Arc::clone(&site.artifacts),
            reads: Arc::clone(&site.reads),
            allowed: Arc::clone(&self.allowed),
            timeline: site.timeline.clone(),
            hook: site.hook.clone(),
            counters: Arc::clone(&site.counters),
        };
        let dhcp = Arc::new(dhcp::Service {
            interface: Arc::clone(&live),
            artifacts: Arc::clone(&site.artifacts),
            http_port: self.http_port,
            role,
            allowed: Arc::clone(&self.allowed),
            timeline: site.timeline.clone(),
            history: Arc::clone(&site.history),
            counters: Arc::clone(&site.counters),
            clock: self.clock,
            seen: dhcp::Seen::default(),
        });
        dhcp.start()?;
        let services = site.dhcp.lock();
        let mut services = services.unwrap_or_else(PoisonError::into_inner);
        services.push(Arc::downgrade(&dhcp));
        drop(services);
        let mut served = Served {
            number,
            followed,
            tftp: Arc::new(tftp::Service::new(shared, Arc::clone(&live))),
            before: Presence::Served(interface.clone()),
            live,
            dhcp,
            device: (0, Vec::new()),
            http: HashMap::new(),
            failed: None,
        };
        let Sockets { device, http } = sockets;
        if let Err(error) = &device.solicitations {
            site.timeline.server(Event::Warning(Warning::NoIpv6 {
                interface: interface.name.clone(),
                error: error.clone(),
            }));
        }
        served.use_device(interface.index, device, &site.timeline, tasks);
        for socket in http {
            let address = socket.local_addr()?.ip();
            let accepting = http::run(socket, Arc::clone(&served.live), Arc::clone(site));
            served.http.insert(address, tasks.spawn(accepting));
        }
        Ok(served)
    }
}

impl Served {
    /// Compares the interface with what it was, and serves it as it is.
    async fn follow(
        &mut self,
        candidates: &[Candidate],
        common: &Common,
        helper: &Client<NetworkRequest>,
        tasks: &mut JoinSet<io::Result<()>>,
    ) {
        let now = self.followed.look(candidates);
        let change = interface::change(&self.before, &now);
        let done = match &now {
            Presence::Served(interface) => {
                let done = self.serve_as(interface, common, helper, tasks).await;
                self.live.set(interface.clone());
                done
            }
            Presence::Missing(lack) => {
                self.live.missing();
                if *lack == Lack::Gone {
                    self.stop_device();
                }
                // A link that is down keeps its addresses.
                if *lack != Lack::Down {
                    self.listen_only_at(&[], common);
                }
                Ok(())
            }
        };
        self.before = now;
        let timeline = &common.site.timeline;
        let interface = || self.followed.name().to_owned();
        match done {
            Ok(()) => {
                let failed = self.failed.take().is_some();
                let back = || self.before.served().filter(|_| failed).map(interface::back);
                if let Some(change) = change.or_else(back) {
                    let interface = interface();
                    timeline.server(Event::InterfaceChanged { interface, change });
                }
            }
            Err(error) => self.tell_failure(&error.to_string(), timeline),
        }
        if let (Presence::Served(now), DhcpRole::Authoritative(addresses)) =
            (&self.before, &self.dhcp.role)
        {
            for (first, last) in addresses.follow(now) {
                timeline.server(Event::Warning(Warning::RangeElsewhere {
                    interface: self.followed.name().to_owned(),
                    first: first.into(),
                    last: last.into(),
                }));
            }
        }
    }

    /// Makes the sockets that are missing, and closes those that are in vain.
    async fn serve_as(
        &mut self,
        interface: &Interface,
        common: &Common,
        helper: &Client<NetworkRequest>,
        tasks: &mut JoinSet<io::Result<()>>,
    ) -> Result<(), HelperError> {
        let addresses = interface.distinct_addresses();
        self.listen_only_at(&addresses, common);
        if self.device.0 != interface.index {
            self.stop_device();
            let sockets = helper.device(self.number).await?;
            self.use_device(interface.index, sockets, &common.site.timeline, tasks);
        }
        for address in addresses {
            if let IpAddr::V4(new) = address
                && !self.http.contains_key(&address)
            {
                self.listen_at(new, common, helper, tasks).await?;
            }
        }
        Ok(())
    }

    async fn listen_at(
        &mut self,
        address: Ipv4Addr,
        common: &Common,
        helper: &Client<NetworkRequest>,
        tasks: &mut JoinSet<io::Result<()>>,
    ) -> Result<(), HelperError> {
        let Listening {
            http,
            nfs,
            portmapper,
        } = helper.listen(self.number, address).await?;
        let accepting = http::run(http, Arc::clone(&self.live), Arc::clone(&common.site));
        self.http.insert(address.into(), tasks.spawn(accepting));
        if let Some(server) = &common.site.nfs {
            let mut listeners = Listeners::new(nfs.into_iter().collect());
            if let Some((tcp, udp)) = portmapper {
                listeners.portmap_tcp.push(tcp);
                listeners.portmap_udp.push(udp);
            }
            let listening = server.listen_also(listeners);
            listening.map_err(HelperError::Socket)?;
        }
        Ok(())
    }

    /// Closes the listeners at all other addresses. Connections go on.
    fn listen_only_at(&mut self, addresses: &[IpAddr], common: &Common) {
        self.http.retain(|address, accepting| {
            let stays = addresses.contains(address);
            if !stays {
                accepting.abort();
                if let Some(server) = &common.site.nfs {
                    server.stop_listening(*address);
                }
            }
            stays
        });
    }

    /// Serves on these sockets of the interface with this index.
    fn use_device(
        &mut self,
        index: u32,
        sockets: DeviceSockets,
        timeline: &Timeline,
        tasks: &mut JoinSet<io::Result<()>>,
    ) {
        let frames = Arc::new(sockets.frames);
        let history = Arc::clone(&self.dhcp.history);
        let overhears = overhear::run(Arc::clone(&frames), Arc::clone(&self.live), history);
        let frames = Some(frames);
        let dhcp = || Arc::clone(&self.dhcp);
        let main = dhcp::run(sockets.dhcp, frames.clone(), SERVER_PORT, dhcp());
        let mut handles = vec![
            tasks.spawn(main),
            tasks.spawn(dhcp::run(sockets.binl, frames, BINL_PORT, dhcp())),
            tasks.spawn(dhcp::probe_addresses(sockets.arp, dhcp())),
            tasks.spawn(overhears),
            tasks.spawn(tftp::run(sockets.tftp, Arc::clone(&self.tftp))),
        ];
        if let Ok(socket) = sockets.solicitations {
            let asked = ipv6_router::run(socket, Arc::clone(&self.live), timeline.clone());
            handles.push(tasks.spawn(asked));
        }
        self.device = (index, handles);
    }

    fn stop_device(&mut self) {
        let (_, handles) = std::mem::take(&mut self.device);
        for task in handles {
            task.abort();
        }
    }

    /// Tells why it is not served as it is, once.
    fn tell_failure(&mut self, error: &str, timeline: &Timeline) {
        if self.failed.as_deref() == Some(error) {
            return;
        }
        self.failed = Some(error.to_owned());
        timeline.server(Event::Warning(Warning::NotFollowed {
            interface: self.followed.name().to_owned(),
            error: error.to_owned(),
        }));
    }
}
