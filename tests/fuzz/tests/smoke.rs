//! Every fuzz target on its seeds and some thousand mutations of them, the same each time. `cargo xtask fuzz` runs for
//! longer, and under libFuzzer where it is installed.

use countersign_fuzz::Target;
use countersign_fuzz::drive::{Budget, drive, seeds};

fn smoke(name: &str, runs: u64) {
    let target = Target::named(name).unwrap();
    let seeds = seeds(&target).unwrap();
    assert!(!seeds.is_empty());
    drive(&target, &seeds, 1, Budget::Runs(runs));
}

#[test]
fn am() {
    smoke("am", 12_000);
}

#[test]
fn bundle() {
    smoke("bundle", 20_000);
}

#[test]
fn cookie() {
    smoke("cookie", 40_000);
}

#[test]
fn denylist() {
    smoke("denylist", 6_000);
}

#[test]
fn gate() {
    smoke("gate", 2_000);
}

#[test]
fn token() {
    smoke("token", 12_000);
}
