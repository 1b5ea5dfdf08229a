//! What network-boot firmware needs beyond plain DHCP, and how this server answers it.
//!
//! * [`arch`]: client architectures as data.
//! * [`client`]: the kind of client: plain DHCP, PXE or HTTP firmware, iPXE.
//! * [`inputs`]: the other inputs of a decision: what the machine boots, and the server's role.
//! * [`cures`]: what to change in another DHCP server, by product.
//! * [`decide`]: turns a request into a [`decide::Decision`].
//! * [`offer`]: what another server offers, as firmware reads it.
//! * [`predict`]: what firmware does with the offers that were seen.
//! * [`probe`]: detects other DHCP servers on the network, and what they offer to firmware.
//! * [`router_solicitation`]: saves iPXE a 16 s wait for an IPv6 router.
//! * [`subnet`]: which of the server's networks a request is for.
//! * [`strategy`]: remembers which way of booting works for which machine.
//!
//! # Driving it
//!
//! For each datagram on port 67 or 4011, with the interface on which it arrived (from
//! `IP_PKTINFO`) and `now` from a clock that is monotonic while the server runs (use
//! the time since the Unix epoch if leases are stored on disk):
//!
//! ```no_run
//! # use std::{net::{Ipv4Addr, SocketAddrV4}, time::Duration};
//! # use netroot_proto::dhcp::{pool::Pool, request::Request, SERVER_PORT};
//! # use netroot_proto::pxe::{arch::Platform, inputs::*, decide::*, strategy::Strategy};
//! # fn send(_: &Destination, _: &[u8]) {}
//! # fn serve(datagram: &[u8], now: Duration, pool: &mut Pool) -> Result<(), Box<dyn std::error::Error>> {
//! let loaders = [Loader { platform: Platform::EfiX64, first: "snponly.efi".into(), second: Some("ipxe.efi".into()), signed: None }];
//! let boots = BootOptions {
//!     http_port: 80,
//!     script_path: "boot/{mac}.ipxe",
//!     loaders: &loaders,
//!     root_path: None,
//!     allowed: None,
//!     host_name: None,
//!     refused: false,
//! };
//! let options = SubnetOptions::new(Duration::from_secs(3600));
//! let arrival = Arrival {
//!     interface: "eth0".into(),
//!     address: Ipv4Addr::new(10, 0, 0, 1),
//!     network: netroot_net::Prefix::new(Ipv4Addr::new(10, 0, 0, 1), 24)?,
//!     behind_relays: false,
//!     port: SERVER_PORT,
//!     source: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68),
//! };
//! let request = Request::read(datagram)?; // an error is counted, not answered
//! let role = Role::Authoritative { options: &options, pool }; // or Role::Proxy
//! match decide(&request, &arrival, &boots, role, Strategy::default(), now) {
//!     Decision::Reply(reply) => {
//!         send(&reply.destination, &reply.packet); // from `arrival.port`, out of `arrival.interface`
//!         println!("{} {}: {:?}", reply.machine, reply.client, reply.answer);
//!     }
//!     Decision::Noted(noted) => println!("{} {noted:?}", request.header.mac),
//!     Decision::Ignore(reason) => println!("{} ignored: {reason}", request.header.mac),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! iPXE waits two seconds for a proxy's offer: nothing on this path may block on a lookup.

pub mod arch;
pub mod client;
mod context;
pub mod cures;
pub mod decide;
mod decision;
pub mod inputs;
pub mod offer;
pub mod predict;
pub mod probe;
mod reply;
pub mod router_solicitation;
pub mod strategy;
pub mod subnet;
