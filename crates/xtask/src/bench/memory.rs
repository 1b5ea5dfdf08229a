//! How much memory a boot takes until the root's init runs.
//!
//! Two numbers, since each has a blind spot:
//!
//! - What a machine with enough memory has **touched**, counted from outside in the file that backs its memory. A
//!   kernel alone touches a good part of it, so that is measured too, and subtracted.
//! - The **least** memory that boots. It is coarse, and a kernel short of memory behaves differently; but it answers
//!   the question of an owner of small machines.
//!
//! The resident memory of the init's process would omit what matters most: the initrd, packed and unpacked, and the
//! modules. What klibc's shell, udev and its tools use is spread over dozens of processes.

use anyhow::{Result, ensure};

use super::contestant::Contestant;
use super::machine::{MEMORY_MIB, Machine};

/// The resolution of the search for the least memory, in MiB.
const STEP: u32 = 4;

/// The least memory with which the contestant reaches its root, in MiB.
///
/// # Errors
/// When it does not reach it with the usual memory either.
pub(super) fn least(machine: &Machine<'_>, contestant: &Contestant) -> Result<u32> {
    let least = smallest(MEMORY_MIB / STEP, |steps| {
        let memory = steps * STEP;
        let enough = machine.is_enough(contestant, memory)?;
        let word = if enough { "enough" } else { "too little" };
        println!("{memory:>4} MiB for {:<25} {word}", contestant.name);
        Ok(enough)
    })?;
    ensure!(
        least <= MEMORY_MIB / STEP,
        "{} does not boot with {MEMORY_MIB} MiB",
        contestant.name
    );
    Ok(least * STEP)
}

/// The smallest number from 1 to `most` that is enough, by bisection; `most + 1` if none is.
fn smallest(most: u32, mut enough: impl FnMut(u32) -> Result<bool>) -> Result<u32> {
    let (mut too_little, mut is_enough) = (0, most + 1);
    while is_enough - too_little > 1 {
        let middle = u32::midpoint(too_little, is_enough);
        if enough(middle)? {
            is_enough = middle;
        } else {
            too_little = middle;
        }
    }
    Ok(is_enough)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_sufficient_number_is_found() {
        for wanted in 1..=129 {
            let found = smallest(128, |number| Ok(number >= wanted)).unwrap();
            assert_eq!(found, wanted);
        }
    }
}
