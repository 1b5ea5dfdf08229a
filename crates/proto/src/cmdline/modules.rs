//! Kernel modules on the command line. The kernel itself reads only what is about its built-in parts there;
//! the rest is left to whoever loads the modules (modprobe(8), "kernel command line" of kmod).

use super::tokens::Parameter;
use super::word::Word;
use crate::reading::Setting;

/// Modules by name, `-` and `_` being the same character.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModuleOrders {
    /// Loaded at the start, whatever the devices are (dracut's `rd.driver.pre=` and `rd.driver.post=`, systemd's
    /// `modules_load=` and `rd.modules_load=`), in order.
    pub wanted: Vec<Setting<String>>,
    /// Loaded for no device (`modprobe.blacklist=`, dracut's `rd.driver.blacklist=`, and the kernel's own
    /// `module_blacklist=`, which refuses them to everybody).
    pub unwanted: Vec<Setting<String>>,
    /// `module.parameter=value`, whatever else may be written with a dot among them.
    parameters: Vec<Parameter>,
}

impl ModuleOrders {
    /// Takes `word` if it is about modules and about nothing else.
    pub(super) fn take(&mut self, word: &Word<'_>) -> bool {
        let Some(names) = word.value else {
            return false;
        };
        let (list, is_ours) = match word.name {
            "rd.driver.pre" | "rd.driver.post" | "modules_load" | "rd.modules_load" => {
                (&mut self.wanted, true)
            }
            "modprobe.blacklist" | "rd.driver.blacklist" => (&mut self.unwanted, true),
            "module_blacklist" => (&mut self.unwanted, false),
            _ => return false,
        };
        for name in names.split(',').filter(|name| !name.is_empty()) {
            list.push(Setting::parameter(plain(name), word.text));
        }
        is_ours
    }

    /// Remembers a parameter that may be a module's.
    pub(super) fn remember(&mut self, parameter: &Parameter) {
        if parameter.name.contains('.') {
            self.parameters.push(parameter.clone());
        }
    }

    /// Whether that module is never loaded for a device.
    pub fn is_unwanted(&self, module: &str) -> bool {
        let module = plain(module);
        self.unwanted.iter().any(|name| name.value == module)
    }

    /// The parameters of that module for finit_module(2), as written on the command line.
    pub fn parameters_of(&self, module: &str) -> String {
        let module = plain(module);
        let own = self.parameters.iter().filter_map(|parameter| {
            let (of, name) = parameter.name.split_once('.')?;
            (plain(of) == module).then(|| match &parameter.value {
                Some(value) if value.contains(char::is_whitespace) => format!("{name}=\"{value}\""),
                Some(value) => format!("{name}={value}"),
                None => name.to_owned(),
            })
        });
        own.collect::<Vec<_>>().join(" ")
    }
}

/// The kernel's spelling of a module's name.
fn plain(name: &str) -> String {
    name.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use crate::cmdline::BootPlan;

    #[test]
    fn a_module_gets_its_own_parameters_only() {
        let orders = BootPlan::parse(
            "snd-hda.x=9 nfs.nfs4_disable_idmapping=0 virtio-net.napi_tx nfs.a=\"b c\" nfsd.y=1 rd.nfs.z=1 nfs=2 -- nfs.w=1",
        )
        .modules;
        assert_eq!(
            orders.parameters_of("nfs"),
            "nfs4_disable_idmapping=0 a=\"b c\""
        );
        assert_eq!(orders.parameters_of("virtio_net"), "napi_tx");
        assert_eq!(orders.parameters_of("snd_hda"), "x=9");
        assert_eq!(orders.parameters_of("nf"), "");
    }

    #[test]
    fn every_spelling_of_a_blacklist_is_read() {
        let plan =
            BootPlan::parse("modprobe.blacklist=a-b,,c rd.driver.blacklist=d module_blacklist=e");
        for name in ["a_b", "a-b", "c", "d", "e"] {
            assert!(plan.modules.is_unwanted(name), "{name}");
        }
        assert!(!plan.modules.is_unwanted("f") && !plan.modules.is_unwanted(""));
        assert_eq!(plan.foreign, ["module_blacklist=e"], "the kernel's own");
    }
}
