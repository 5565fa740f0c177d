use crate::rng::Rng;
use crate::time::Time;

/// What a run is like. All of it follows from the seed.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub edges: usize,
    pub relays: usize,
    pub families: usize,
    pub lease_ms: u64,
    pub poll_ms: u64,
    /// When the faults end.
    pub heal: Time,
    pub end: Time,
    /// Between two faults, on average, in milliseconds.
    pub fault_ms: u64,
    /// Between two things that users do.
    pub act_ms: u64,
    /// In thousandths of all answers to polls: how often the worst moment is chosen for a logout.
    pub snipe: u64,
    /// Clocks run as wrong as they may: that of the authority fast, those of the edges slow and in jumps.
    pub drifting: bool,
    pub storms: bool,
    /// EdDSA for heartbeats and tokens, as in production. HS256 otherwise: the same code around it, and a twentieth of
    /// the time.
    pub eddsa: bool,
    /// The first slot that matters ends so long after the start.
    pub slot_end_ms: u64,
    /// Gaps of more entries than this are for snapshots; as in production where it is not said.
    pub cheap: Option<u64>,
}

/// Poll interval and lease of the profiles.
pub(crate) const PROFILES: [(u64, u64); 3] = [(2_000, 10_000), (500, 2_000), (15_000, 60_000)];

impl Plan {
    /// Many edges of healthy hosts on a healthy network, and nothing that happens by itself.
    pub fn large(edges: usize) -> Self {
        let (poll_ms, lease_ms) = PROFILES[0];
        Self {
            edges,
            relays: 0,
            families: 0,
            lease_ms,
            poll_ms,
            heal: Time(0),
            end: Time(0).plus_ms(600_000),
            snipe: 0,
            drifting: false,
            storms: false,
            eddsa: false,
            cheap: None,
            ..Self::new(1)
        }
    }

    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0xC0FF_EE00_5EED_0000);
        let drifting = rng.chance(200);
        let (poll_ms, lease_ms) = rng.pick(&[PROFILES[0], PROFILES[0], PROFILES[1], PROFILES[1], PROFILES[2]]);
        // Where clocks run as wrong as they may, the leases are long and the worst moments are sought: that is where a
        // margin that is too small shows.
        let (poll_ms, lease_ms) = if drifting { PROFILES[2] } else { (poll_ms, lease_ms) };
        // Long enough for what is purged, and for several leases.
        let heal = Time(0).plus_ms(rng.within(90_000, 260_000).max(4 * lease_ms));
        Self {
            seed,
            edges: if drifting { 5 } else { rng.pick(&[2, 3, 5, 8, 12, 20]) },
            relays: rng.pick(&[0, 0, 1, 2]),
            families: rng.pick(&[30, 60, 120]),
            lease_ms,
            poll_ms,
            heal,
            end: heal.plus_ms(20_000),
            fault_ms: if drifting { 30_000 } else { rng.pick(&[300, 1_000, 2_500, 6_000]) },
            act_ms: rng.pick(&[40, 100, 250]),
            snipe: if drifting { 150 } else { rng.pick(&[0, 20, 60]) },
            drifting,
            storms: rng.chance(250),
            eddsa: seed.is_multiple_of(16),
            slot_end_ms: rng.within(20_000, 110_000),
            cheap: rng.pick(&[Some(2), Some(10), Some(40), None]),
        }
    }
}
