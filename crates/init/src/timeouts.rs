//! The timeouts that the command line sets. Pure.

use std::time::Duration;

use netroot_proto::cmdline::{AfterFailure, BootPlan, NetworkPlan, Origin};

/// How long a NIC with a carrier is asked on before the attempt counts as failed: spanning trees take 30 to 50 s
/// before they forward the first packet.
const DHCP: Duration = Duration::from_secs(90);

/// How long DHCP may take: `rd.net.timeout.dhcp=` times `rd.net.dhcp.retry=`.
pub(crate) fn dhcp(network: &NetworkPlan) -> Duration {
    let timeouts = &network.timeouts;
    let one = timeouts.dhcp.as_ref().map_or(DHCP, |limit| limit.value);
    let tries = timeouts.dhcp_tries.as_ref().map_or(1, |tries| tries.value);
    // An exchange needs some time, whatever the parameters say.
    one.saturating_mul(tries).max(Duration::from_secs(1))
}

/// How long to wait for a carrier: `carrier_timeout=`, or else `rd.net.timeout.ifup=`.
pub(crate) fn carrier(network: &NetworkPlan) -> Duration {
    match (&network.carrier_timeout, &network.timeouts.up) {
        (carrier, Some(up)) if carrier.origin == Origin::Default => up.value,
        (carrier, _) => carrier.value,
    }
}

/// What follows a failure this long after the start: with `rootwait`, another attempt until its limit.
pub(crate) fn after_failure(plan: &BootPlan, since_start: Duration) -> AfterFailure {
    let waits = plan
        .root_wait
        .as_ref()
        .is_some_and(|wait| wait.value.is_none_or(|limit| since_start < limit));
    if waits {
        AfterFailure::TryAgain
    } else {
        plan.after_failure.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(cmdline: &str) -> NetworkPlan {
        BootPlan::parse(cmdline).network
    }

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_dhcp_timeout_is_multiplied_by_its_retries() {
        assert_eq!(dhcp(&network("ip=dhcp")), DHCP);
        assert_eq!(dhcp(&network("rd.net.timeout.dhcp=10")), s(10));
        let thrice = "rd.net.timeout.dhcp=10 rd.net.dhcp.retry=3";
        assert_eq!(dhcp(&network(thrice)), s(30));
        assert_eq!(dhcp(&network("rd.net.timeout.dhcp=0")), s(1));
        let endless = "rd.net.dhcp.retry=4294967295 rd.net.timeout.dhcp=4294967295";
        assert!(dhcp(&network(endless)) > s(1 << 40));
    }

    #[test]
    fn a_carrier_timeout_takes_precedence_over_ifup() {
        assert_eq!(carrier(&network("")), s(120));
        assert_eq!(carrier(&network("rd.net.timeout.ifup=7")), s(7));
        let both = "rd.net.timeout.carrier=9 rd.net.timeout.ifup=7";
        assert_eq!(carrier(&network(both)), s(9));
    }

    #[test]
    fn with_rootwait_nothing_reboots_before_its_limit() {
        let after = |cmdline, seconds| after_failure(&BootPlan::parse(cmdline), s(seconds));
        let reboot = AfterFailure::RebootAfter(s(5));
        assert_eq!(after("panic=5", 0), reboot);
        assert_eq!(after("panic=5 rootwait", 9_999), AfterFailure::TryAgain);
        assert_eq!(after("panic=5 rootwait=60", 59), AfterFailure::TryAgain);
        assert_eq!(after("panic=5 rootwait=60", 60), reboot);
    }
}
