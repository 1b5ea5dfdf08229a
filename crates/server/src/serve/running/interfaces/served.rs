//! One interface: its services, and its sockets as it changes.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, PoisonError};

use netroot_nfs_export::Listeners;
use netroot_proto::dhcp::{BINL_PORT, SERVER_PORT};
use tokio::task::{AbortHandle, JoinSet};

use super::shared_services::SharedServices;
use crate::serve::dhcp::{overhear, service as dhcp};
use crate::serve::events::{Event, Lack, Timeline, Warning};
use crate::serve::ipv6_router;
use crate::serve::listen::Listener;
use crate::serve::listen::interface::{
    self, Candidate, ChangeSocket, Followed, Interface, Presence,
};
use crate::serve::listen::live_interface::LiveInterface;
use crate::serve::listen::role::DhcpRole;
use crate::serve::listen::sockets::{DeviceSockets, Listening, Sockets};
use crate::serve::privileged_helper::{Client, HelperError, NetworkRequest};
use crate::serve::{http, tftp};

/// An interface that is served.
#[derive(Debug)]
pub(super) struct Served {
    /// Its number in `Settings::networks`.
    number: u16,
    pub(super) followed: Followed,
    /// As it was when it was looked at last.
    pub(super) before: Presence,
    pub(super) live: Arc<LiveInterface>,
    pub(super) dhcp: Arc<dhcp::Service>,
    tftp: Arc<tftp::Service>,
    /// The tasks with the sockets of the interface with this index.
    device: (u32, Vec<AbortHandle>),
    /// HTTP's, by address.
    http: HashMap<IpAddr, AbortHandle>,
    /// Why it could not be served as it is, as it was told.
    pub(super) failed: Option<String>,
}

impl Served {
    /// Starts everything on one interface, whose number in the settings this is.
    pub(super) fn start(
        services: &SharedServices,
        number: u16,
        listener: Listener,
        changes: &Arc<ChangeSocket>,
        tasks: &mut JoinSet<io::Result<()>>,
    ) -> io::Result<Self> {
        let Listener {
            interface,
            followed,
            role,
            sockets,
            ..
        } = listener;
        let site = &services.site;
        let changes = Arc::clone(changes);
        let live = Arc::new(LiveInterface::followed(interface.clone(), changes));
        let shared = tftp::Shared {
            artifacts: Arc::clone(&site.artifacts),
            reads: Arc::clone(&site.reads),
            allowed: Arc::clone(&services.allowed),
            timeline: site.timeline.clone(),
            hook: site.hook.clone(),
            counters: Arc::clone(&site.counters),
            pollers: Arc::clone(&services.pollers),
        };
        let dhcp = Arc::new(dhcp::Service {
            interface: Arc::clone(&live),
            artifacts: Arc::clone(&site.artifacts),
            http_port: services.http_port,
            role,
            allowed: Arc::clone(&services.allowed),
            timeline: site.timeline.clone(),
            history: Arc::clone(&site.history),
            counters: Arc::clone(&site.counters),
            clock: services.clock,
            seen: dhcp::Seen::default(),
        });
        dhcp.start()?;
        let all = site.dhcp.lock();
        let mut all = all.unwrap_or_else(PoisonError::into_inner);
        all.push(Arc::downgrade(&dhcp));
        drop(all);
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

    /// Compares the interface with what it was, and serves it as it is.
    pub(super) async fn follow(
        &mut self,
        candidates: &[Candidate],
        services: &SharedServices,
        helper: &Client<NetworkRequest>,
        tasks: &mut JoinSet<io::Result<()>>,
    ) {
        let now = self.followed.look(candidates);
        let change = interface::change(&self.before, &now);
        let done = match &now {
            Presence::Served(interface) => {
                let done = self.serve_as(interface, services, helper, tasks).await;
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
                    self.listen_only_at(&[], services);
                }
                Ok(())
            }
        };
        self.before = now;
        let timeline = &services.site.timeline;
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
        services: &SharedServices,
        helper: &Client<NetworkRequest>,
        tasks: &mut JoinSet<io::Result<()>>,
    ) -> Result<(), HelperError> {
        let addresses = interface.distinct_addresses();
        self.listen_only_at(&addresses, services);
        if self.device.0 != interface.index {
            self.stop_device();
            let sockets = helper.device(self.number).await?;
            self.use_device(interface.index, sockets, &services.site.timeline, tasks);
        }
        for address in addresses {
            if let IpAddr::V4(new) = address
                && !self.http.contains_key(&address)
            {
                self.listen_at(new, services, helper, tasks).await?;
            }
        }
        Ok(())
    }

    async fn listen_at(
        &mut self,
        address: Ipv4Addr,
        services: &SharedServices,
        helper: &Client<NetworkRequest>,
        tasks: &mut JoinSet<io::Result<()>>,
    ) -> Result<(), HelperError> {
        let Listening {
            http,
            nfs,
            portmapper,
        } = helper.listen(self.number, address).await?;
        let accepting = http::run(http, Arc::clone(&self.live), Arc::clone(&services.site));
        self.http.insert(address.into(), tasks.spawn(accepting));
        if let Some(server) = &services.site.nfs {
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
    fn listen_only_at(&mut self, addresses: &[IpAddr], services: &SharedServices) {
        self.http.retain(|address, accepting| {
            let stays = addresses.contains(address);
            if !stays {
                accepting.abort();
                if let Some(server) = &services.site.nfs {
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
    pub(super) fn tell_failure(&mut self, error: &str, timeline: &Timeline) {
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
