//! The export beside NFS-Ganesha on this machine, and beside Linux's nfsd in a virtual machine, call by call; and a recorded
//! boot by many machines at once. All servers of a row run at the same time and are measured one after the other in each round:
//! the server on one processor, the client on another.

mod arena;
mod beside_ganesha;
mod beside_nfsd;
mod boot;
mod cells;
mod cold;
mod load;
mod machine;
mod options;
mod processors;
mod rows;
mod slow_clients;
mod tree;

use anyhow::Result;

use self::arena::Arena;
pub(crate) use self::options::Options;
use self::options::Part;
use self::processors::Processors;
use crate::privileges::needs_root;
use crate::{build, setup};

/// Measures, and prints each table as soon as it is known.
///
/// # Errors
/// When something cannot be built, or a server does not serve.
pub(crate) fn run_bench(options: &Options) -> Result<()> {
    setup::run_for_tests(&[])?;
    if !options.no_build {
        build::bench()?;
        build::load()?;
    }
    needs_root("this makes network namespaces", "bench nfs")?;
    let processors = Processors::new(!options.no_pin)?;
    let wanted = |part| options.only.is_empty() || options.only.contains(&part);
    let arena = Arena::make(processors)?;
    let replayed = wanted(Part::Boot) || wanted(Part::Nfsd);
    let record = match options.record || replayed && !boot::rows(options).is_empty() {
        true => Some(boot::recorded(&arena, options.record)?),
        false => None,
    };
    let record = record.as_deref();
    if wanted(Part::Ganesha) {
        beside_ganesha::measure(&arena, options)?;
    }
    if wanted(Part::Boot)
        && !boot::rows(options).is_empty()
        && let Some(record) = record
    {
        boot::beside_ganesha(&arena, options, record)?;
    }
    if wanted(Part::Nfsd) {
        beside_nfsd::measure(&arena, options, record)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows that are measured.
    fn rows(row: Option<&str>) -> Vec<String> {
        let options = Options {
            rounds: 1,
            seconds: 1.0,
            only: Vec::new(),
            row: row.map(str::to_owned),
            record: false,
            no_pin: false,
            no_build: false,
        };
        let cells = cells::rows(&options).into_iter().map(|(name, ..)| name);
        let cold = cold::rows(&options).map(|(name, ..)| name.to_owned());
        let slow = slow_clients::rows(&options).map(|(name, _)| name.to_owned());
        let libnfs = beside_ganesha::by_libnfs_is_wanted(&options);
        let libnfs = libnfs.then(|| beside_ganesha::BY_LIBNFS.to_owned());
        let boots = boot::rows(&options).into_iter().map(|(name, _)| name);
        let all = cells.chain(cold).chain(slow).chain(libnfs).chain(boots);
        all.collect()
    }

    #[test]
    fn each_row_can_be_measured_alone_by_its_name() {
        let all = rows(None);
        assert!(all.len() > 25, "{all:?}");
        for name in &all {
            let alike = all.iter().filter(|other| other.contains(name));
            assert_eq!(rows(Some(name)), alike.cloned().collect::<Vec<_>>());
        }
        assert!(rows(Some("no such row")).is_empty());
    }
}
