//! `rd.break`, `break=`: where the boot pauses with a rescue prompt.

use crate::reading::Reading;

/// A place in the boot where it can pause with the rescue prompt, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Before any driver is loaded.
    Start,
    /// Drivers are loaded; before links come up and anybody is asked for an address.
    Network,
    /// The network is up; before the root is looked for and mounted.
    Mount,
    /// The root is mounted, with its overlay; before the switch to it.
    Switch,
}

impl Stage {
    /// What the boot is about to do there.
    pub fn before(self) -> &'static str {
        match self {
            Self::Start => "before the drivers",
            Self::Network => "before the network",
            Self::Mount => "before the mount",
            Self::Switch => "before the switch to the root",
        }
    }

    /// dracut's `rd.break[=…]` and systemd's `rd.systemd.break[=…]`. Nothing, and what is not
    /// known, stops before the switch, as in dracut.
    pub(super) fn read_dracut(value: Option<&str>, reading: &mut Reading<'_>) -> Option<Self> {
        Some(match value {
            None | Some("" | "1" | "yes" | "on") => Self::Switch,
            Some("0" | "no" | "off") => return None,
            Some("cmdline" | "pre-udev" | "pre-trigger" | "pre-basic") => Self::Start,
            Some("initqueue") => Self::Network,
            Some("pre-mount" | "mount") => Self::Mount,
            Some("pre-pivot" | "cleanup" | "pre-switch-root") => Self::Switch,
            Some(other) => {
                let expected = "cmdline, pre-udev, pre-trigger, initqueue, pre-mount, mount, pre-pivot or cleanup";
                let outcome = "the boot stops before the switch to the root";
                reading.complain(0, expected, other, outcome);
                Self::Switch
            }
        })
    }

    /// `break=` of initramfs-tools and mkinitcpio, which may list several stages. Both stop
    /// before the mount when nothing is named. (initramfs-tools brings the network up as part
    /// of the mount; here it is up already.)
    pub(super) fn read_break(value: Option<&str>, reading: &mut Reading<'_>) -> Vec<Self> {
        let Some(value) = value.filter(|value| !value.is_empty()) else {
            return vec![Self::Mount];
        };
        let mut stages: Vec<Self> = Vec::new();
        let mut position = 0;
        for word in value.split(',') {
            let stage = match word {
                "top" | "modules" => Self::Start,
                "premount" | "mount" | "mountroot" | "y" | "yes" | "1" => Self::Mount,
                "bottom" | "init" | "postmount" => Self::Switch,
                other => {
                    let expected =
                        "top, modules, premount, mount, mountroot, bottom, init or postmount";
                    reading.complain(position, expected, other, "the boot stops before the mount");
                    Self::Mount
                }
            };
            if !stages.contains(&stage) {
                stages.push(stage);
            }
            position += word.len() + 1;
        }
        stages
    }
}

/// When a prompt is given on the console (`rd.shell`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rescue {
    /// `rd.shell=0`, `netroot.shell=0`: never, whoever sits at the console.
    Never,
    /// By default: a key pressed while a failed boot waits for its next try.
    OnKey,
    /// `rd.shell`: instead of the next try.
    OnFailure,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmdline::Complaint;

    fn dracut(value: Option<&str>) -> (Option<Stage>, Vec<Complaint>) {
        let mut complaints = Vec::new();
        let mut reading = Reading::new("rd.break", value, &mut complaints);
        (Stage::read_dracut(value, &mut reading), complaints)
    }

    fn tools(value: Option<&str>) -> (Vec<Stage>, Vec<Complaint>) {
        let mut complaints = Vec::new();
        let mut reading = Reading::new("break", value, &mut complaints);
        (Stage::read_break(value, &mut reading), complaints)
    }

    #[test]
    fn every_tools_stages_are_known() {
        for (value, stage) in [
            (None, Stage::Switch),
            (Some("cmdline"), Stage::Start),
            (Some("initqueue"), Stage::Network),
            (Some("pre-mount"), Stage::Mount),
            (Some("pre-pivot"), Stage::Switch),
        ] {
            assert_eq!(dracut(value), (Some(stage), vec![]), "{value:?}");
        }
        assert_eq!(dracut(Some("0")), (None, vec![]));
        for (value, stages) in [
            (None, vec![Stage::Mount]),
            (Some("top"), vec![Stage::Start]),
            (Some("premount"), vec![Stage::Mount]),
            (Some("top,bottom,init"), vec![Stage::Start, Stage::Switch]),
            (Some("postmount"), vec![Stage::Switch]),
        ] {
            assert_eq!(tools(value), (stages, vec![]), "{value:?}");
        }
    }

    #[test]
    fn an_unknown_stage_stops_where_its_tool_would() {
        let (stage, complaints) = dracut(Some("lunch"));
        assert_eq!(stage, Some(Stage::Switch));
        assert_eq!(complaints[0].found, "lunch");
        let (stages, complaints) = tools(Some("top,lunch"));
        assert_eq!(stages, [Stage::Start, Stage::Mount]);
        assert_eq!(complaints[0].position, 4);
    }
}
