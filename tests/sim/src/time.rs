use countersign_core::time::UnixMillis;

/// True time in microseconds since the run began. Nobody in the simulated world can read it.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Time(pub u64);

impl Time {
    #[must_use]
    pub const fn plus_us(self, micros: u64) -> Self {
        Self(self.0 + micros)
    }

    #[must_use]
    pub const fn plus_ms(self, millis: u64) -> Self {
        Self(self.0 + millis * 1000)
    }

    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:>4}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// How far a clock's rate may be off, in millionths: what the margins of core reckon with.
pub(crate) const MAX_RATE: i64 = 1000;

/// For how long a clock may show the same, in milliseconds: what the fixed margin of core is for.
pub(crate) const MAX_STANDSTILL_MS: u64 = 45;

/// A wall clock as one machine has it.
#[derive(Clone, Debug)]
pub struct Clock {
    /// What it showed at `set`, in microseconds.
    shown: i128,
    set: Time,
    /// Millionths that it is too fast; negative when too slow.
    rate: i64,
    /// It moves in steps of so many milliseconds, as a worker's does while it computes.
    standstill_ms: u64,
}

impl Clock {
    pub fn new(start: UnixMillis, offset_ms: i64, rate: i64, standstill_ms: u64) -> Self {
        let shown = i128::from(start.0) * 1000 + i128::from(offset_ms) * 1000;
        Self { shown, set: Time(0), rate, standstill_ms: standstill_ms.max(1) }
    }

    fn micros(&self, at: Time) -> i128 {
        let passed = i128::from(at.since(self.set));
        self.shown + passed + passed * i128::from(self.rate) / 1_000_000
    }

    pub fn read(&self, at: Time) -> UnixMillis {
        let millis = u64::try_from(self.micros(at) / 1000).unwrap_or(0);
        UnixMillis(millis - millis % self.standstill_ms)
    }

    pub fn step(&mut self, at: Time, millis: i64) {
        self.shown = self.micros(at) + i128::from(millis) * 1000;
        self.set = at;
    }

    /// Sets it to the given difference from the true time.
    pub fn correct(&mut self, start: UnixMillis, at: Time, offset_ms: i64) {
        self.shown = i128::from(start.0) * 1000 + i128::from(at.0) + i128::from(offset_ms) * 1000;
        self.set = at;
    }
}
