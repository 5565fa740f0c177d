//! A driver without libFuzzer: the seeds, then mutations of them that are the same on every run. It does not see which
//! branches an input takes, so it finds less; it needs nothing but the compiler.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::Target;

/// Longest input: what libFuzzer would take by default.
const MAX_INPUT: usize = 4096;

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub enum Budget {
    Runs(u64),
    Time(Duration),
}

pub fn seed_dir(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target.name)
}

/// The committed seeds, in the order of their names.
pub fn seeds(target: &Target) -> std::io::Result<Vec<Vec<u8>>> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(seed_dir(target))?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.sort();
    files.iter().map(std::fs::read).collect()
}

/// Runs the target within the budget, and gives the number of inputs. A failing input is printed before the panic goes
/// on.
pub fn drive(target: &Target, seeds: &[Vec<u8>], seed: u64, budget: Budget) -> u64 {
    for input in seeds {
        attempt(target, input);
    }
    let start = Instant::now();
    let mut dice = Dice(seed);
    let mut runs = 0;
    loop {
        let over = match budget {
            Budget::Runs(most) => runs >= most,
            Budget::Time(most) => start.elapsed() >= most,
        };
        if over {
            return runs + seeds.len() as u64;
        }
        attempt(target, &mutated(seeds, target.words, &mut dice));
        runs += 1;
    }
}

fn attempt(target: &Target, input: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.run)(input))) {
        eprintln!("fuzz target {}: this input fails:\nb\"{}\"", target.name, input.escape_ascii());
        resume_unwind(panic);
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`; 0 when there is nothing below it.
    fn below(&mut self, bound: usize) -> usize {
        let drawn = self.next().checked_rem(bound as u64).unwrap_or(0);
        usize::try_from(drawn).unwrap_or(0)
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}

fn mutated(seeds: &[Vec<u8>], words: &[&str], dice: &mut Dice) -> Vec<u8> {
    let mut input = seeds.get(dice.below(seeds.len())).cloned().unwrap_or_default();
    for _ in 0..=dice.below(6) {
        let at = dice.below(input.len() + 1);
        let to = (at + dice.below(16)).min(input.len());
        match dice.below(9) {
            0 if at < input.len() => input[at] ^= 1 << dice.below(8),
            1 if at < input.len() => input[at] = dice.byte(),
            2 => input.insert(at, dice.byte()),
            3 => drop(input.drain(at..to)),
            4 => {
                let piece = input[at..to].to_vec();
                let into = dice.below(input.len() + 1);
                input.splice(into..into, piece);
            }
            5 => input.truncate(at),
            6 | 7 => {
                let word = words.get(dice.below(words.len())).copied().unwrap_or_default();
                let over = if dice.below(2) == 0 { at } else { (at + word.len()).min(input.len()) };
                input.splice(at..over, word.bytes());
            }
            _ => {
                let other = seeds.get(dice.below(seeds.len())).map_or(&[][..], Vec::as_slice);
                let from = dice.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
        }
    }
    input.truncate(MAX_INPUT);
    input
}
