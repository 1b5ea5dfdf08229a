//! Option numbers (RFC 2132 unless said otherwise), by the name that this project uses.

/// Filler; has no length byte.
pub const PAD: u8 = 0;
/// The network's mask.
pub const SUBNET_MASK: u8 = 1;
/// Default gateways, best first.
pub const ROUTERS: u8 = 3;
/// DNS servers.
pub const NAME_SERVERS: u8 = 6;
/// The client's name.
pub const HOST_NAME: u8 = 12;
/// The client's DNS domain.
pub const DOMAIN_NAME: u8 = 15;
/// Where the client's root is: for NFS, `server:/path,options`.
pub const ROOT_PATH: u8 = 17;
/// The interface's MTU.
pub const INTERFACE_MTU: u8 = 26;
/// The network's broadcast address.
pub const BROADCAST_ADDRESS: u8 = 28;
/// NTP servers.
pub const NTP_SERVERS: u8 = 42;
/// Vendor-specific options; for PXE, see [`crate::pxe`].
pub const VENDOR_SPECIFIC: u8 = 43;
/// The address a client would like.
pub const REQUESTED_ADDRESS: u8 = 50;
/// Seconds that an address may be used.
pub const LEASE_TIME: u8 = 51;
/// `file` (1), `sname` (2) or both (3) hold options.
pub const OVERLOAD: u8 = 52;
/// [`super::MessageType`].
pub const MESSAGE_TYPE: u8 = 53;
/// The server that a message is from, or for.
pub const SERVER_ID: u8 = 54;
/// The options a client wants.
pub const PARAMETER_REQUEST_LIST: u8 = 55;
/// A sentence for a person, in a NAK or DECLINE.
pub const MESSAGE: u8 = 56;
/// The longest message that a client takes, IP and UDP headers included.
pub const MAX_MESSAGE_SIZE: u8 = 57;
/// Seconds after which to renew (T1).
pub const RENEWAL_TIME: u8 = 58;
/// Seconds after which to rebind (T2).
pub const REBINDING_TIME: u8 = 59;
/// What kind of client this is: `PXEClient:Arch:00000:UNDI:002001`.
pub const VENDOR_CLASS: u8 = 60;
/// Who this client is.
pub const CLIENT_ID: u8 = 61;
/// The boot server's name or address, as text.
pub const TFTP_SERVER_NAME: u8 = 66;
/// The boot file's name.
pub const BOOT_FILE_NAME: u8 = 67;
/// User class (RFC 3004; iPXE sends a bare `iPXE`).
pub const USER_CLASS: u8 = 77;
/// An ACK may answer the DISCOVER (RFC 4039); has no value.
pub const RAPID_COMMIT: u8 = 80;
/// The relay's own, to be sent back last (RFC 3046).
pub const RELAY_AGENT: u8 = 82;
/// Client architectures, two bytes each (RFC 4578).
pub const CLIENT_ARCH: u8 = 93;
/// The client's network interface type and version (RFC 4578).
pub const CLIENT_NDI: u8 = 94;
/// The machine's UUID, after a zero byte (RFC 4578).
pub const CLIENT_UUID: u8 = 97;
/// The network in which the client needs an address (RFC 3011).
pub const SUBNET_SELECTION: u8 = 118;
/// The DNS search list, compressed (RFC 3397).
pub const DOMAIN_SEARCH: u8 = 119;
/// Classless static routes (RFC 3442).
pub const CLASSLESS_ROUTES: u8 = 121;
/// iPXE's encapsulated options.
pub const IPXE: u8 = 175;
/// The name of PXELINUX's configuration (RFC 5071).
pub const PXELINUX_CONFIG: u8 = 209;
/// What precedes the names of PXELINUX's files (RFC 5071).
pub const PXELINUX_PREFIX: u8 = 210;
/// The last option of an area.
pub const END: u8 = 255;
