//! A large installation in a storm: how soon every edge knows of every logout, and at what cost. Polls are not held
//! here, so this is the slow path: the fast one is measured on real processes.

use crate::oracle::Scope;
use crate::plan::Plan;
use crate::time::Time;
use crate::world::{Course, Event, Op, USERS, World};
use crate::{Stats, Violation};

/// When the storm begins: all edges are fresh by then.
const BEGIN_MS: u64 = 20_000;
/// How long the edges are watched after it.
const AFTER_MS: u64 = 20_000;

/// What came of it.
#[derive(Debug)]
pub struct Figures {
    /// From an acknowledgement to its entry at an edge: half of all pairs, 99 of 100, all; in milliseconds.
    pub visible_ms: [u64; 3],
    /// Looks at which an edge had no lease, from the begin of the storm on.
    pub stale: u64,
    /// Answers of the authority and their bytes, from the begin of the storm on.
    pub answers: u64,
    pub bytes: u64,
    /// Entries of an edge's copy, and the bytes they take in memory.
    pub entries: usize,
    pub memory: usize,
    pub snapshots: u64,
    pub stats: Stats,
}

/// Ends `logouts` sessions within `within_ms`, watched by `edges`.
pub fn run(edges: usize, logouts: usize, within_ms: u64) -> Result<Figures, Violation> {
    let mut plan = Plan::large(edges);
    plan.end = Time(0).plus_ms(BEGIN_MS + within_ms + AFTER_MS);
    let mut world = World::new(plan, None, false);
    world.run_until(Time(0).plus_ms(BEGIN_MS));
    world.course = Some(Course::default());
    let rvs = world.authority.log.head();
    for number in 0..logouts {
        world.mint(number % USERS, world.now, rvs, None);
        let family = world.families.len() - 1;
        world.families[family].doomed = true;
        let at = Time(0).plus_us(BEGIN_MS * 1000 + within_ms * 1000 * number as u64 / logouts.max(1) as u64);
        let scope = Scope::Family(family);
        world.ops.push(Op { scope, barrier: false, asked: at, seq: None, acked: false, against: None });
        let op = world.ops.len() - 1;
        world.at(at, Event::Submit(op));
    }
    world.run();
    if let Some(violation) = world.violation.take() {
        return Err(violation);
    }
    let course = world.course.take().unwrap_or_default();
    let list = world.hosts[0].replica.list();
    Ok(Figures {
        visible_ms: visible(&course, edges),
        stale: course.stale,
        answers: course.answers,
        bytes: course.bytes,
        entries: list.len(),
        memory: list.memory(),
        snapshots: world.stats.snapshots,
        stats: world.stats,
    })
}

/// Each edge learns of positions in their order, and acknowledgements are in it too: one pass for each edge.
fn visible(course: &Course, edges: usize) -> [u64; 3] {
    let mut acks = course.acks.clone();
    acks.sort_by_key(|(_, seq)| *seq);
    let mut counts: Vec<u64> = Vec::new();
    for edge in 0..edges {
        let mut left = acks.iter().peekable();
        for (at, _, applied) in course.applied.iter().filter(|(_, host, _)| *host == edge) {
            while let Some((acked, _)) = left.next_if(|(_, seq)| seq <= applied) {
                let ms = usize::try_from(at.0.saturating_sub(acked.0) / 1000).unwrap_or(usize::MAX).min(600_000);
                counts.resize(counts.len().max(ms + 1), 0);
                counts[ms] += 1;
            }
        }
        // What it never learnt of stands for the longest time there is.
        let missed = left.count() as u64;
        if missed > 0 {
            counts.resize(600_001, 0);
            counts[600_000] += missed;
        }
    }
    let total: u64 = counts.iter().sum();
    [500, 990, 1000].map(|thousandths| {
        let mut below = 0;
        let wanted = (total * thousandths).div_ceil(1000);
        let found = counts.iter().position(|count| {
            below += count;
            below >= wanted
        });
        found.unwrap_or_default() as u64
    })
}
