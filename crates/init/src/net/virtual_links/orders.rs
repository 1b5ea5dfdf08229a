//! What the kernel is told about devices and their ports: nothing is decided here.

use super::device::{Device, What};
use crate::net::netlink::{
    Attributes, Link, NetlinkError, NewLink, RouteSocket, bond_data, bridge_data, vlan_data,
};

/// Renames a link. Who has the name makes way: its own turn may come yet, and no two can have one name.
pub(super) fn change_name(link: &Link, name: &str) -> Result<(), NetlinkError> {
    let mut socket = down(link)?;
    let holder = socket.links()?.into_iter().find(|other| other.name == name);
    if let Some(holder) = &holder {
        down(holder)?.rename(holder.index, &format!("rename{}", holder.index))?;
    }
    socket.rename(link.index, name)?;
    match holder.filter(|holder| holder.up) {
        Some(holder) => socket.set_up(holder.index),
        None => Ok(()),
    }
}

/// A socket, once the link is down.
pub(super) fn down(link: &Link) -> Result<RouteSocket, NetlinkError> {
    let mut socket = RouteSocket::open()?;
    if link.up {
        socket.set_down(link.index)?;
    }
    Ok(socket)
}

/// Has the kernel make a device; `None` if it then has none of the name.
pub(super) fn realise(device: &Device, below: Option<&Link>) -> Result<Option<Link>, NetlinkError> {
    let mut socket = RouteSocket::open()?;
    let (data, carried_by, address): (Attributes, _, _) = match &device.what {
        What::Bond(bond) => (bond_data(bond), None, None),
        What::Vlan(vlan) => {
            // A VLAN cannot be set up over a link that is down.
            if let Some(link) = below {
                socket.set_up(link.index)?;
            }
            (vlan_data(vlan.id), below.map(|link| link.index), None)
        }
        // Its address would change with each port that comes.
        What::Bridge(_) => (bridge_data(), None, below.and_then(|link| link.mac)),
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

pub(super) fn enslave(what: &What, master: u32, port: &Link) -> Result<(), NetlinkError> {
    let mut socket = RouteSocket::open()?;
    match what {
        What::Bond(bond) => {
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
        What::Bridge(_) => {
            socket.set_master(port.index, master)?;
            socket.set_up(port.index)?;
        }
        What::Vlan(_) => {}
    }
    Ok(())
}
