//! `fuzz <target> <seconds>`: the driver of the tests, for longer.

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use countersign_fuzz::drive::{Budget, drive, seeds};
use countersign_fuzz::{TARGETS, Target};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let asked = match &args[..] {
        [name, seconds] => Target::named(name).zip(seconds.parse().ok()),
        _ => None,
    };
    let Some((target, seconds)) = asked else {
        let names = TARGETS.map(|target| target.name).join(", ");
        eprintln!("usage: fuzz <target> <seconds>, where target is one of {names}");
        return ExitCode::from(2);
    };
    let seeds = match seeds(&target) {
        Ok(seeds) => seeds,
        Err(error) => {
            eprintln!("error: the seeds of {} cannot be read: {error}", target.name);
            return ExitCode::FAILURE;
        }
    };
    // Another run looks elsewhere; the number brings a finding back.
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    eprintln!("{}: {} seeds, {seconds} s, dice from {seed}", target.name, seeds.len());
    let runs = drive(&target, &seeds, seed, Budget::Time(Duration::from_secs(seconds)));
    eprintln!("{}: {runs} inputs, nothing found", target.name);
    ExitCode::SUCCESS
}
