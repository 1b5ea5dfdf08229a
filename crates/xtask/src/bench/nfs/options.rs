//! What is measured of NFS.

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// How many times each server is measured in each row.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) rounds: u32,
    /// How long each row takes, in seconds.
    #[arg(long, default_value_t = 1.0)]
    pub(super) seconds: f64,
    /// Only these: ganesha, nfsd, boot. May be given several times.
    #[arg(long, value_name = "PART")]
    pub(super) only: Vec<Part>,
    /// Only rows with this in their names, such as "GETATTR, 1" or "cold".
    #[arg(long, value_name = "TEXT")]
    pub(super) row: Option<String>,
    /// Record a boot anew.
    #[arg(long)]
    pub(super) record: bool,
    /// Let server and client share the processors as the scheduler likes it.
    #[arg(long)]
    pub(super) no_pin: bool,
    /// Measure target/release/netroot as it is.
    #[arg(long)]
    pub(super) no_build: bool,
}

impl Options {
    /// Whether a row is measured.
    pub(super) fn wants(&self, row: &str) -> bool {
        self.row.as_ref().is_none_or(|text| row.contains(text))
    }
}

/// A part of the bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Part {
    /// NFS-Ganesha beside it.
    Ganesha,
    /// Linux's nfsd beside it, both in one virtual machine, by calls and by the recorded boot.
    Nfsd,
    /// A recorded boot by 1, 10 and 100 machines, with NFS-Ganesha beside it.
    Boot,
}
