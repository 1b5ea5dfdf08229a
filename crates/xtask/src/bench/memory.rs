//! How much memory a boot takes until the root's init runs.
//!
//! Two numbers, since each has its blind spot:
//!
//! - What a machine with plenty has ever **touched**, counted from outside in the file that is its memory. A kernel
//!   with nothing to unpack touches a good part of that alone, so it is measured too, and taken off.
//! - The **least** that a machine can be given. It is coarse, and a kernel that is short of memory works differently;
//!   but it is what somebody asks who has a small machine.
//!
//! The resident memory of the init's process would leave out what matters most: the image, before and after it is
//! unpacked, and the modules. What klibc's shell, udev and its tools hold is spread over dozens of processes.

use anyhow::{Result, ensure};

use super::contestant::Contestant;
use super::machine::{MEMORY_MIB, Machine};

/// How finely the least memory is looked for, in MiB.
const STEP: u32 = 4;

/// The least memory with which the contestant reaches its root, in MiB.
///
/// # Errors
/// When it does not even do so with the usual memory.
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

/// The smallest number from 1 to `most` that is enough, by halves; `most + 1` if none is.
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
