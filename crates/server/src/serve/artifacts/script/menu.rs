//! The menu in which somebody at the machine's console chooses what it boots.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use netroot_net::Mac;

use super::ipxe::own_script;
use super::words::words;
use crate::catalog::Image;

/// What is chosen from.
#[derive(Debug, Clone)]
pub(crate) struct Menu<'a> {
    /// Its first line; `None` for netroot's own.
    pub(crate) title: Option<&'a str>,
    /// How long it waits for a key; `None` for ever.
    pub(crate) timeout: Option<Duration>,
    /// The images, in this order.
    pub(crate) images: Vec<&'a Image>,
    /// The name of the one that the machine would boot without a menu, if any: it is marked, and chosen where nobody
    /// chooses.
    pub(crate) own: Option<&'a str>,
    /// The name of the one that is chosen by machines without one of their own where nobody chooses; `None` for the first.
    pub(crate) default: Option<&'a str>,
}

impl Menu<'_> {
    /// What somebody chooses by.
    pub(super) fn line(&self, image: &Image) -> String {
        let title = words(image.title());
        let line = match (&image.title, image.linux()) {
            (None, Some(linux)) => format!("{title}, Linux {}", words(linux)),
            _ => title,
        };
        match self.own == Some(image.name.as_str()) {
            true => format!("{line} (this machine's own)"),
            false => line,
        }
    }

    pub(super) fn title(&self, server: SocketAddr) -> String {
        let title = self.title.map(words).filter(|title| !title.is_empty());
        title.unwrap_or_else(|| format!("netroot at {server}"))
    }

    pub(super) fn default(&self) -> Option<&str> {
        let first = self.images.first().map(|image| image.name.as_str());
        self.own.or(self.default).or(first)
    }
}

/// The path of a machine's script for an image that was chosen.
pub(super) fn chosen_path(mac: &str, image: &str) -> String {
    format!("boot/{mac}/{image}.ipxe")
}

/// The machine and the image for which a name is a chosen script.
pub(crate) fn chosen(name: &str) -> Option<(Mac, &str)> {
    let (mac, image) = name.strip_prefix("boot/")?.split_once('/')?;
    Some((mac.parse().ok()?, image.strip_suffix(".ipxe")?))
}

/// iPXE's menu. `shell`: it may offer iPXE's shell.
pub(crate) fn ipxe(menu: &Menu<'_>, server: SocketAddr, mac: Option<Mac>, shell: bool) -> String {
    let own = mac.map_or_else(|| "${netX/mac:hexhyp}".to_owned(), Mac::hyphenated);
    let chosen = chosen_path(&own, "${chosen}");
    let mut script = format!("#!ipxe\n:start\nmenu -- {}\n", menu.title(server));
    for image in &menu.images {
        let _ = writeln!(script, "item -- {} {}", image.name, menu.line(image));
    }
    let mut choose = "choose".to_owned();
    // Once somebody is there, nothing is chosen for them.
    if let Some(timeout) = menu.timeout.filter(|_| !menu.images.is_empty()) {
        let _ = write!(choose, " --timeout {}", timeout.as_millis().max(1));
    }
    if let Some(default) = menu.default() {
        let _ = write!(choose, " --default {default}");
    }
    // No image has a name with a colon.
    let (item, jump, start) = match shell {
        true => (
            "item --gap --\nitem -- :shell iPXE's shell\n",
            "iseq ${chosen} :shell && goto shell ||\n",
            "\n:shell\nshell ||\ngoto start\n",
        ),
        false => ("", "", ""),
    };
    let _ = write!(
        script,
        "\
{item}{choose} chosen || goto again
{jump}chain --replace http://{server}/{chosen} || goto no_script

:no_script
echo netroot: http://{server}/{chosen} could not be loaded (the line above says why)
:again
sleep 3 ||
chain --replace {} || goto start
{start}",
        own_script(server, mac)
    );
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_script_is_of_a_machine_and_an_image() {
        let mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
        assert_eq!(
            chosen("boot/52-54-00-12-34-56/guix@42.ipxe"),
            Some((mac, "guix@42"))
        );
        for name in [
            "boot/52-54-00-12-34-56.ipxe",
            "boot/x/debian.ipxe",
            "boot/52-54-00-12-34-56/debian",
            "boot/52-54-00-12-34-56",
        ] {
            assert_eq!(chosen(name), None, "{name}");
        }
    }
}
