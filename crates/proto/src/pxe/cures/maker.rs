//! Which product a server probably is, by who made its network card.

use netroot_net::{Mac, MacPrefix};

use super::Product;

/// A prefix and the word of a product in each line.
const MAKERS: &str = include_str!("makers.txt");

/// The product that the maker of this address sells; `None` if it is of no such maker. Whoever configures an address can choose
/// any, and a router may run another program than its maker's.
pub fn product_of(mac: Mac) -> Option<Product> {
    let mut rows = MAKERS.lines().filter_map(row);
    rows.find(|(prefix, _)| prefix.contains(mac))
        .map(|(_, product)| product)
}

fn row(line: &str) -> Option<(MacPrefix, Product)> {
    let (prefix, word) = line.split_once(' ')?;
    let product = Product::ALL.into_iter().find(|it| it.word() == word)?;
    Some((prefix.parse().ok()?, product))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_but_the_remarks_is_a_prefix_with_a_product() {
        for line in MAKERS.lines().filter(|line| !line.starts_with('#')) {
            assert!(row(line).is_some(), "{line}");
        }
    }

    #[test]
    fn a_router_is_known_by_its_makers_octets_and_a_virtual_machine_by_none() {
        for (mac, product) in [
            ("4c:5e:0c:01:02:03", Some(Product::MikroTik)),
            ("24:5a:4c:01:02:03", Some(Product::UniFi)),
            ("f4:90:ea:01:02:03", Some(Product::OpnSense)),
            ("3c:a6:2f:01:02:03", Some(Product::FritzBox)),
            ("52:54:00:01:02:03", None),
        ] {
            assert_eq!(product_of(mac.parse().unwrap()), product, "{mac}");
        }
    }
}
