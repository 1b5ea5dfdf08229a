//! Which connection makes room for a new one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// An open connection, as far as its limits are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenConnection<Id> {
    /// What the server calls it.
    pub id: Id,
    /// Its peer.
    pub client: IpAddr,
    /// How long it has not done anything useful.
    pub idle: Duration,
}

/// The connection to close when `newcomer` asks for one more and all are taken: of the address with the most
/// connections, the one that has been idle longest. `None` if nobody has more than the newcomer would then have, so
/// that two clients never take turns in closing each other's connections.
pub fn busiest<Id: Copy>(
    open: impl IntoIterator<Item = OpenConnection<Id>>,
    newcomer: IpAddr,
) -> Option<Id> {
    let mut clients: HashMap<IpAddr, (usize, OpenConnection<Id>)> = HashMap::new();
    for connection in open {
        let (count, idlest) = clients.entry(connection.client).or_insert((0, connection));
        *count += 1;
        if connection.idle > idlest.idle {
            *idlest = connection;
        }
    }
    let own = clients.get(&newcomer).map_or(0, |(count, _)| *count);
    clients
        .into_values()
        .filter(|(count, _)| *count > own + 1)
        .max_by_key(|(count, idlest)| (*count, idlest.idle))
        .map(|(_, idlest)| idlest.id)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn open(id: u8, host: u8, idle: u64) -> OpenConnection<u8> {
        OpenConnection {
            id,
            client: Ipv4Addr::new(10, 0, 0, host).into(),
            idle: Duration::from_secs(idle),
        }
    }

    #[test]
    fn the_address_with_the_most_connections_loses_its_idlest() {
        let all = [open(1, 1, 500), open(2, 2, 3), open(3, 2, 7), open(4, 2, 5)];
        let newcomer = Ipv4Addr::new(10, 0, 0, 9).into();
        assert_eq!(busiest(all, newcomer), Some(3));
    }

    #[test]
    fn nobody_loses_a_connection_to_a_client_that_would_have_as_many() {
        let all = [open(1, 1, 9), open(2, 1, 9), open(3, 2, 9)];
        assert_eq!(busiest(all, Ipv4Addr::new(10, 0, 0, 2).into()), None);
        assert_eq!(busiest(all, Ipv4Addr::new(10, 0, 0, 1).into()), None);
        assert_eq!(busiest(all, Ipv4Addr::new(10, 0, 0, 9).into()), Some(1));
        assert_eq!(
            busiest([open(1, 1, 9)], Ipv4Addr::new(10, 0, 0, 9).into()),
            None
        );
    }
}
