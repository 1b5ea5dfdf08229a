//! Which network a request is for, what its machine boots, and the answer.

use std::net::Ipv4Addr;

use netroot_net::Prefix;
use netroot_proto::dhcp::request::Request;
use netroot_proto::dhcp::{MessageType, SERVER_PORT, code};
use netroot_proto::pxe::client::Client;
use netroot_proto::pxe::decide::{self, Decision, Reason};
use netroot_proto::pxe::inputs::{self, BootOptions, Role};
use netroot_proto::pxe::strategy::Strategy;
use netroot_proto::pxe::subnet::{self, Subnet};
use netroot_sys::arrival::Arrival;

use super::{Asked, Service};
use crate::catalog::{ArrivedAt, Boots, Image, KnownMachine, RootLocation};
use crate::serve::dhcp::kept_addresses;
use crate::serve::dhcp::script_path;
use crate::serve::history::Inputs;
use crate::serve::listen::allowed::Allowed;
use crate::serve::listen::interface::Interface;
use crate::serve::listen::role::DhcpRole;

impl Service {
    /// Which of the networks in which this server gives addresses a request is for; `None` for a proxy's.
    pub(super) fn select(
        &self,
        interface: &Interface,
        request: &Request,
        machine: &KnownMachine,
        arrival: Arrival,
        port: u16,
    ) -> Result<Option<usize>, Reason> {
        match &self.role {
            DhcpRole::Authoritative(addresses) if port == SERVER_PORT => {
                if request.relay.is_none()
                    && let Some((first, last)) = addresses.without_network()
                {
                    return Err(Reason::RangeElsewhere { first, last });
                }
                let catalog = self.artifacts.catalog();
                self.seen.kept_for().follow(&catalog, addresses);
                let mut subnets = addresses.subnets();
                kept_addresses::claim(&mut subnets, &catalog, request.header.mac, machine);
                if is_for_another_server(interface, &subnets, request) {
                    return Err(Reason::ForAnotherServer(request.server_id));
                }
                let source = *arrival.from.ip();
                match subnet::select(request, source, &mut subnets, self.clock.now()) {
                    // Another server gives addresses there, or else nobody would have allowed it.
                    Err(Reason::RelayElsewhere { link, .. }) if self.allowed.now().mounts(link) => {
                        Ok(None)
                    }
                    other => other,
                }
            }
            // A boot server's answer is the same in both roles.
            DhcpRole::Authoritative(_) => Ok(Some(0)),
            DhcpRole::Proxy => Ok(None),
        }
    }

    pub(super) fn decide(
        &self,
        interface: &Interface,
        asked: &Asked<'_>,
        subnet: Option<usize>,
    ) -> Decision {
        let Asked {
            request,
            machine,
            claim,
            client,
            arrival,
            port,
        } = asked;
        let (client, arrival, port) = (*client, *arrival, *port);
        let now = self.clock.now();
        // iPXE asks within the boot of the firmware that loaded it: not a new attempt. Nor is the second request of firmware.
        let header = &request.header;
        let machines = self.timeline.machines();
        let strategy = match client {
            Client::Pxe(_) | Client::Http(_) if port == SERVER_PORT => {
                machines.strategy(header.mac, header.transaction, now)
            }
            Client::Pxe(_) => machines.current_strategy(header.mac),
            _ => Strategy::default(),
        };
        let reached = reached(interface, request, arrival);
        let mut subnets = match &self.role {
            DhcpRole::Authoritative(addresses) => Some(addresses.subnets()),
            DhcpRole::Proxy => None,
        };
        let subnets = subnets.as_deref_mut().map(Vec::as_mut_slice);
        let subnet = subnet
            .zip(subnets)
            .and_then(|(number, subnets)| subnets.get_mut(number));
        let (address, network) = match &subnet {
            Some(subnet) if port == SERVER_PORT && !subnet.behind_relays => {
                (subnet.server, subnet.network)
            }
            Some(subnet) if port == SERVER_PORT => (reached.0, subnet.network),
            _ => reached,
        };
        let here = inputs::Arrival {
            interface: interface.name.clone(),
            address,
            network,
            behind_relays: subnet.as_ref().is_some_and(|it| it.behind_relays),
            port,
            source: arrival.from,
        };
        let arrived = ArrivedAt {
            interface: &interface.name,
            server: address.into(),
        };
        let catalog = self.artifacts.catalog();
        let artifacts = &self.artifacts;
        let assigned = artifacts.assign_by_dhcp(&catalog, machine, &arrived, (client, *claim));
        self.tell_unknown(asked, &catalog, &assigned);
        self.tell_refused(asked, &assigned);
        let image = assigned.image();
        let root_path = image.and_then(|image| image.nfsroot(address.into()));
        let allowed = self.allowed.now();
        let long = request.wanted.contains(&code::BOOT_FILE_NAME);
        let script_path = script_path::asking(*claim, long, !catalog.machines().is_empty());
        let boots = BootOptions {
            http_port: self.http_port,
            script_path: &script_path,
            loaders: catalog.loaders(&assigned),
            root_path: root_path.as_deref().map(str::as_bytes),
            allowed: allowed_for(&allowed, request, arrival, image),
            host_name: assigned.host_name(),
            refused: matches!(assigned.boots, Boots::Refuse),
        };
        let loader = boots.loaders.iter();
        let mut loader = loader.filter(|loader| Some(loader.platform) == client.platform());
        let loader = loader.next();
        let authoritative = matches!(self.role, DhcpRole::Authoritative(_));
        let signed = loader.and_then(|loader| loader.signed_for(client, authoritative));
        let strategy = Strategy {
            loader: assigned
                .secure_boot
                .loader(strategy.loader, signed.is_some()),
            ..strategy
        };
        let told = |decision: Decision| {
            if let Some(loader) = loader {
                self.tell_signed(
                    asked,
                    (loader, signed),
                    &assigned,
                    strategy.loader,
                    &decision,
                );
            }
            decision
        };
        let state = image.and_then(|image| artifacts.signed_state(&image.name, client.platform()));
        self.history.signed(request.header.mac, state);
        let inputs = |gives| Inputs {
            server: address,
            network,
            behind_relays: here.behind_relays,
            http_port: self.http_port,
            script_path: script_path.clone(),
            root_path: root_path.clone(),
            loader: loader.cloned(),
            strategy,
            host_name: assigned.host_name().map(str::to_owned),
            refused: boots.refused,
            gives,
        };
        let (Some(subnet), DhcpRole::Authoritative(addresses)) = (subnet, &self.role) else {
            self.history.decided(request.header.mac, inputs(None));
            let decision = decide::decide(request, &here, &boots, Role::Proxy, strategy, now);
            return told(decision);
        };
        let options = match subnet.options_for(request) {
            Ok(options) => options,
            Err(reason) => return Decision::Ignore(reason),
        };
        let ranges = subnet.pool.ranges().collect();
        let gives = Some((options.clone(), ranges));
        self.history.decided(request.header.mac, inputs(gives));
        let role = Role::Authoritative {
            options: &options,
            pool: &mut subnet.pool,
        };
        let decision = told(decide::decide(request, &here, &boots, role, strategy, now));
        addresses.leases.note(subnet.pool.take_changes(), now);
        self.tell_kept(asked, &decision, subnet.pool.kept_for(request.header.mac));
        self.seen.offered.notify_one();
        decision
    }
}

/// Where a machine has to be for what it boots. Nobody knows who may mount another server's export; its files come
/// from here, by TFTP, which knows the machines of a relay that asks for them itself.
fn allowed_for<'a>(
    allowed: &'a Allowed,
    request: &Request,
    arrival: Arrival,
    image: Option<&Image>,
) -> Option<&'a [Prefix]> {
    match image.and_then(Image::root).map(|root| &root.location) {
        Some(RootLocation::Own { .. }) => Some(&allowed.mount),
        Some(RootLocation::Elsewhere(_)) | None => {
            let by_itself = request.header.relay_ip == *arrival.from.ip();
            let learnt = request.relay.is_some() && by_itself;
            (!learnt).then_some(&allowed.load)
        }
    }
}

/// Whether a client on the link renews an address, or boots with one, that another server gave it: it is in a network
/// of the interface in which this server gives none. A refusal would take it away.
fn is_for_another_server(interface: &Interface, subnets: &[Subnet], request: &Request) -> bool {
    let own = Some(request.header.client_ip).filter(|own| !own.is_unspecified());
    let renews = request.kind == MessageType::Request && request.server_id.is_none();
    let own = own.or(request.requested_address);
    let own = own.filter(|_| renews && request.relay.is_none());
    own.is_some_and(|own| {
        let here = interface.network_of(&[own]).is_some();
        here && !subnets.iter().any(|subnet| subnet.network.contains(own))
    })
}

/// The address by which the client reaches the server, with its network.
fn reached(interface: &Interface, request: &Request, arrival: Arrival) -> (Ipv4Addr, Prefix) {
    let header = &request.header;
    // The server identifier of an earlier offer, which the client repeats.
    let own = request.server_id.filter(|server| interface.has(*server));
    let own = own.or(Some(arrival.destination).filter(|to| interface.has(*to)));
    let clues = [header.relay_ip, header.client_ip, *arrival.from.ip()];
    let clues = own
        .into_iter()
        .chain(clues)
        .chain(request.requested_address);
    interface.address_for(clues)
}
