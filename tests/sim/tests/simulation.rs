//! The promise, over seeds: after an acknowledged logout no edge accepts the session past `T`, whatever breaks; and
//! once it is whole again, everything works. `cargo xtask sim --seeds N` runs more of them.

#![allow(clippy::expect_used, reason = "a test")]

use std::sync::atomic::{AtomicU64, Ordering};

use countersign_sim::{Mutant, Stats, report, run};

const SEEDS: u64 = 200;

/// Every variant must be found within so many seeds; each of them is found several times in these.
const MUTANT_SEEDS: u64 = 120;

/// Runs the seeds on all processors, and gives the first that fails.
fn first_failure(seeds: std::ops::RangeInclusive<u64>, mutant: Option<Mutant>) -> (Option<u64>, Stats) {
    let (next, failed) = (AtomicU64::new(*seeds.start()), AtomicU64::new(u64::MAX));
    let total = std::thread::scope(|scope| {
        let runners: Vec<_> = (0..std::thread::available_parallelism().map_or(1, Into::into))
            .map(|_| {
                scope.spawn(|| {
                    let mut total = Stats::default();
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed > *seeds.end() || failed.load(Ordering::Relaxed) < seed {
                            return total;
                        }
                        let outcome = run(seed, mutant, false);
                        total.add(&outcome.stats);
                        if outcome.violation.is_some() {
                            failed.fetch_min(seed, Ordering::Relaxed);
                        }
                    }
                })
            })
            .collect();
        let mut total = Stats::default();
        for runner in runners {
            total.add(&runner.join().expect("a run does not panic"));
        }
        total
    });
    let failed = failed.into_inner();
    ((failed < u64::MAX).then_some(failed), total)
}

#[test]
fn g1_g2_g3_g4_hold_and_what_is_whole_works() {
    let (failed, total) = first_failure(1..=SEEDS, None);
    if let Some(seed) = failed {
        panic!("{}", report(seed, None));
    }
    // A world in which nothing happens proves nothing.
    assert!(total.accepts > 100 * SEEDS, "{total:?}");
    assert!(total.acks > 200 * SEEDS, "{total:?}");
    assert!(total.barrier_acks > 20 * SEEDS, "{total:?}");
    assert!(total.snapshots > 5 * SEEDS && total.refused_snapshots > SEEDS / 10, "{total:?}");
    assert_eq!(total.fences, 0, "an honest log never looks like a rollback: {total:?}");
}

/// R22, small enough for every run: `cargo xtask sim --release --large 300` is the whole.
#[test]
fn r22_a_storm_is_visible_everywhere_and_costs_no_lease() {
    let figures = countersign_sim::large::run(12, 6_000, 2_000).expect("no violation");
    let [_, most, all] = figures.visible_ms;
    assert!(most <= 3_000 && all <= 4_000, "{figures:?}");
    assert_eq!((figures.stale, figures.stats.unavailable), (0, 0), "heartbeats go on: {figures:?}");
    assert!(figures.entries >= 6_000 && figures.memory * 8 <= figures.entries * 62, "{figures:?}");
}

#[test]
fn a_seed_replays_exactly() {
    for seed in [1, 16, 77] {
        let (first, second) = (run(seed, None, false), run(seed, None, true));
        assert_eq!((first.stats.digest, first.stats.events), (second.stats.digest, second.stats.events));
        assert_eq!(second.trace, run(seed, None, true).trace);
    }
}

fn is_found(mutant: Mutant) {
    let (failed, total) = first_failure(1..=MUTANT_SEEDS, Some(mutant));
    let seed = failed.unwrap_or_else(|| panic!("{} is not found: {total:?}", mutant.name()));
    // The failure is had again by its number, and told.
    assert!(run(seed, Some(mutant), false).violation.is_some());
    assert!(report(seed, Some(mutant)).contains(&format!("--seed {seed} --mutant {}", mutant.name())));
    assert!(run(seed, None, false).violation.is_none(), "it is the variant's doing");
}

#[test]
fn mutant_a2_lease_from_the_receipt_is_found() {
    is_found(Mutant::A2);
}

#[test]
fn mutant_a3t_lease_without_drift_is_found() {
    is_found(Mutant::A3t);
}

#[test]
fn mutant_a5_no_nonce_is_found() {
    is_found(Mutant::A5);
}

#[test]
fn mutant_a7_replies_without_a_sequence_check_is_found() {
    is_found(Mutant::A7);
}

#[test]
fn mutant_a8_open_before_the_first_sync_is_found() {
    is_found(Mutant::A8);
}

#[test]
fn mutant_b3_barrier_without_drift_is_found() {
    is_found(Mutant::B3);
}

#[test]
fn mutant_c1_purge_at_expiry_is_found() {
    is_found(Mutant::C1);
}

#[test]
fn mutant_d1_no_wait_after_a_restart_is_found() {
    is_found(Mutant::D1);
}
