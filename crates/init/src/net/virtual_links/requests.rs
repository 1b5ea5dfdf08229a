//! The requests to the kernel about devices and their ports. Nothing is decided here.

use super::device::{Device, DeviceKind};
use crate::net::netlink::{
    Attributes, Link, NetlinkError, NewLink, RouteSocket, bond_data, bridge_data, vlan_data,
};

/// Renames a link. A link that has the name already is renamed out of the way; it may get its own name later.
pub(super) fn rename_link(link: &Link, name: &str) -> Result<(), NetlinkError> {
    let mut socket = take_down(link)?;
    let holder = socket.links()?.into_iter().find(|other| other.name == name);
    if let Some(holder) = &holder {
        take_down(holder)?.rename(holder.index, &format!("rename{}", holder.index))?;
    }
    socket.rename(link.index, name)?;
    match holder.filter(|holder| holder.up) {
        Some(holder) => socket.set_up(holder.index),
        None => Ok(()),
    }
}

/// Renames a link, unless another has the name. Returns whether it has it now.
pub(super) fn rename_if_free(link: &Link, name: &str) -> Result<bool, NetlinkError> {
    let mut socket = RouteSocket::open()?;
    if socket.links()?.iter().any(|other| other.name == name) {
        return Ok(false);
    }
    take_down(link)?.rename(link.index, name)?;
    Ok(true)
}

/// Sets a link down. Returns the socket.
pub(super) fn take_down(link: &Link) -> Result<RouteSocket, NetlinkError> {
    let mut socket = RouteSocket::open()?;
    if link.up {
        socket.set_down(link.index)?;
    }
    Ok(socket)
}

/// Creates a device; `None` if no link of its name exists afterwards.
pub(super) fn create_device(
    device: &Device,
    lower: Option<&Link>,
) -> Result<Option<Link>, NetlinkError> {
    let mut socket = RouteSocket::open()?;
    let (data, carried_by, address): (Attributes, _, _) = match &device.what {
        DeviceKind::Bond(bond) => (bond_data(bond), None, None),
        DeviceKind::Vlan(vlan) => {
            // A VLAN cannot be set up over a link that is down.
            if let Some(link) = lower {
                socket.set_up(link.index)?;
            }
            (vlan_data(vlan.id), lower.map(|link| link.index), None)
        }
        // Otherwise its address would change with each port.
        DeviceKind::Bridge(_) => (bridge_data(), None, lower.and_then(|link| link.mac)),
    };
    let new_link = NewLink {
        kind: device.kind(),
        name: &device.name,
        carried_by,
        address: address.map(|mac| mac.0),
        data: &data,
    };
    socket.create_link(&new_link)?;
    let links = socket.links()?;
    Ok(links.into_iter().find(|link| link.name == device.name))
}

pub(super) fn attach_port(what: &DeviceKind, master: u32, port: &Link) -> Result<(), NetlinkError> {
    let mut socket = RouteSocket::open()?;
    match what {
        DeviceKind::Bond(bond) => {
            if port.up {
                socket.set_down(port.index)?;
            }
            if let Some(mtu) = bond.mtu {
                socket.set_mtu(master, mtu)?;
            }
            socket.set_master(port.index, master)?;
            if bond.primary.as_ref() == Some(&port.name) {
                socket.set_primary(master, port.index)?;
            }
        }
        DeviceKind::Bridge(_) => {
            socket.set_master(port.index, master)?;
            socket.set_up(port.index)?;
        }
        DeviceKind::Vlan(_) => {}
    }
    Ok(())
}
