//! How often somebody may try: a bucket of tokens for each address and each user, in a fixed amount of memory.
//!
//! A request and a mail cost a token. A password costs one if it was wrong, and is held in the bucket until that is
//! known: of any number at once no more are checked than may be wrong, and the next ones wait for those.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::settings::{Rate, RateLimits};

/// Entries that one lock is for, and places that one key may have among them.
const SHARDS: usize = 16;
const WAYS: usize = 8;

/// How long a password waits until as many of its user as may be wrong are no longer being checked. Who sends wrong ones
/// makes nobody wait for long: once there are too many, all are refused.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a bucket says, before or after something was taken from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Quota {
    pub(crate) allowed: bool,
    pub(crate) limit: Rate,
    pub(crate) remaining: u64,
    /// Until one more may be had, when none is left; else until all may be.
    pub(crate) reset_seconds: u64,
}

/// A bucket is one number (GCRA): the time at which it will be full again. Where there are more keys than places, the
/// fullest bucket of the place is forgotten, which is the one whose loss matters least.
struct Buckets {
    shards: Vec<Shard>,
    hash: RandomState,
}

struct Shard {
    entries: Mutex<Vec<Entry>>,
    /// A token is no longer held.
    settled: Notify,
}

#[derive(Clone, Copy, Default)]
struct Entry {
    /// Of the key; 0 is nobody's.
    key: u64,
    full_at_us: u64,
    /// Tokens that are taken or not, once it is known.
    held: u32,
}

impl Buckets {
    fn new(tracked: usize) -> Self {
        let each = tracked.div_ceil(SHARDS).next_multiple_of(WAYS);
        let entries = || Mutex::new(vec![Entry::default(); each]);
        let shards = (0..SHARDS).map(|_| Shard { entries: entries(), settled: Notify::new() }).collect();
        Self { shards, hash: RandomState::new() }
    }

    /// Nobody outside knows the hash's key, so nobody finds two names that fall together.
    fn key(&self, name: &[&[u8]]) -> u64 {
        self.hash.hash_one(name).max(1)
    }

    fn shard(&self, key: u64) -> Option<&Shard> {
        self.shards.get(usize::try_from(key % SHARDS as u64).unwrap_or_default())
    }

    /// Takes a token where there is one.
    fn take(&self, name: &[&[u8]], rate: Rate, now_ms: u64) -> Quota {
        self.with(self.key(name), |entry| {
            let quota = entry.look(rate, now_ms);
            if quota.allowed {
                entry.take(rate, now_ms);
            }
            Quota { allowed: quota.allowed, ..entry.look(rate, now_ms) }
        })
    }

    /// Holds a token where there is one; `None` where there may be one soon.
    fn hold(&self, key: u64, rate: Rate, now_ms: u64) -> Option<Quota> {
        self.with(key, |entry| {
            let quota = entry.look(rate, now_ms);
            if !quota.allowed && entry.held > 0 {
                return None;
            }
            entry.held += u32::from(quota.allowed);
            Some(Quota { allowed: quota.allowed, ..entry.look(rate, now_ms) })
        })
    }

    /// What is held is taken if `taken` says from when on, or else was never there.
    fn settle(&self, key: u64, rate: Rate, taken: Option<u64>) {
        self.with(key, |entry| {
            entry.held = entry.held.saturating_sub(1);
            if let Some(now_ms) = taken {
                entry.take(rate, now_ms);
            }
        });
        if let Some(shard) = self.shard(key) {
            shard.settled.notify_waiters();
        }
    }

    fn with<T>(&self, key: u64, work: impl FnOnce(&mut Entry) -> T) -> T {
        let mut entries = match self.shard(key) {
            Some(shard) => shard.entries.lock().unwrap_or_else(PoisonError::into_inner),
            None => return work(&mut Entry::default()),
        };
        let places = (entries.len() / WAYS).max(1) as u64;
        let first = usize::try_from((key / SHARDS as u64) % places).unwrap_or_default() * WAYS;
        let ways = entries.get_mut(first..first + WAYS).unwrap_or_default();
        let least = |entry: &Entry| (entry.held, entry.full_at_us);
        let place = ways
            .iter()
            .position(|entry| entry.key == key)
            .or_else(|| ways.iter().enumerate().min_by_key(|(_, entry)| least(entry)).map(|(at, _)| at));
        let Some(entry) = place.and_then(|place| ways.get_mut(place)) else { return work(&mut Entry::default()) };
        if entry.key != key {
            *entry = Entry { key, ..Entry::default() };
        }
        work(entry)
    }
}

/// Time in which one token comes back.
fn interval_us(rate: Rate) -> u64 {
    (rate.seconds * 1_000_000 / rate.quota.max(1)).max(1)
}

impl Entry {
    fn look(&self, rate: Rate, now_ms: u64) -> Quota {
        let (interval, now) = (interval_us(rate), now_ms * 1000);
        let missing_us = self.full_at_us.saturating_sub(now);
        let missing = missing_us.div_ceil(interval).saturating_add(self.held.into());
        let remaining = rate.quota.saturating_sub(missing);
        let wait_us = if remaining > 0 { missing_us } else { missing_us.saturating_sub((rate.quota - 1) * interval) };
        Quota { allowed: remaining > 0, limit: rate, remaining, reset_seconds: wait_us.div_ceil(1_000_000) }
    }

    fn take(&mut self, rate: Rate, now_ms: u64) {
        self.full_at_us = self.full_at_us.max(now_ms * 1000) + interval_us(rate);
    }
}

/// What one origin remembers of who tried.
pub(crate) struct Limiter {
    addresses: Buckets,
    users: Buckets,
    mails: Buckets,
    /// Places for passwords that wait.
    waiting: Semaphore,
}

/// Whether a password may be checked.
pub(crate) enum Admission<'a> {
    Admitted(Quota, Trial<'a>),
    /// Too many were wrong.
    Refused(Quota),
    /// As many are being checked as may be wrong, and it stayed so.
    Busy,
}

/// A password that is being checked. Dropped it costs nothing: it was right, or nobody has learnt anything by it.
pub(crate) struct Trial<'a> {
    users: &'a Buckets,
    key: u64,
    rate: Rate,
    wrong_at_ms: Option<u64>,
}

impl Trial<'_> {
    /// It was wrong.
    pub(crate) fn wrong(mut self, now_ms: u64) {
        self.wrong_at_ms = Some(now_ms);
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        self.users.settle(self.key, self.rate, self.wrong_at_ms);
    }
}

impl Limiter {
    /// Of all users together no more than `waiting` passwords wait at once: each holds a connection.
    pub(crate) fn new(settings: &RateLimits, waiting: usize) -> Self {
        Self {
            addresses: Buckets::new(settings.tracked),
            users: Buckets::new(settings.tracked),
            mails: Buckets::new(settings.tracked),
            waiting: Semaphore::new(waiting),
        }
    }

    /// A request to log in; `None` where nothing is limited.
    pub(crate) fn request(&self, settings: &RateLimits, from: Option<IpAddr>, now_ms: u64) -> Option<Quota> {
        let (rate, from) = (settings.address?, from?);
        let key: [u8; 16] = match from.to_canonical() {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            // One customer has a /64 at least.
            IpAddr::V6(address) => (address.to_bits() >> 64 << 64).to_be_bytes(),
        };
        Some(self.addresses.take(&[&key], rate, now_ms))
    }

    /// A password that is about to be checked, once it may be; `None` where nothing is limited.
    pub(crate) async fn password(
        &self,
        settings: &RateLimits,
        realm: &str,
        user: &str,
        now_ms: impl Fn() -> u64,
    ) -> Option<Admission<'_>> {
        let (rate, users) = (settings.user?, &self.users);
        let key = users.key(&[realm.as_bytes(), user.as_bytes()]);
        let settled = users.shard(key).map(|shard| &shard.settled)?;
        let (until, mut waiting) = (Instant::now() + PATIENCE, None);
        loop {
            // Before the look, so that nothing is missed that comes after it.
            let settled = settled.notified();
            match users.hold(key, rate, now_ms()) {
                Some(quota) if quota.allowed => {
                    return Some(Admission::Admitted(quota, Trial { users, key, rate, wrong_at_ms: None }));
                }
                Some(quota) => return Some(Admission::Refused(quota)),
                None => {}
            }
            if waiting.is_none() {
                waiting = self.waiting.try_acquire().ok();
            }
            if waiting.is_none() || timeout_at(until, settled).await.is_err() {
                return Some(Admission::Busy);
            }
        }
    }

    /// A mail that is about to be taken; `None` where nothing is limited. Some providers tell addresses apart by case:
    /// none that matters.
    pub(crate) fn mail(&self, settings: &RateLimits, to: &str, now_ms: u64) -> Option<Quota> {
        Some(self.mails.take(&[to.trim().to_lowercase().as_bytes()], settings.mail?, now_ms))
    }
}

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

impl Quota {
    /// The fields of draft-ietf-httpapi-ratelimit-headers-10, and for a refusal `Retry-After`. `name` says what is
    /// limited.
    pub(crate) fn head(&self, name: &str, headers: &mut HeaderMap) {
        let Rate { quota, seconds } = self.limit;
        let (remaining, reset) = (self.remaining, self.reset_seconds);
        let fields = [
            (POLICY, format!("\"{name}\";q={quota};w={seconds}")),
            (LIMIT, format!("\"{name}\";r={remaining};t={reset}")),
        ];
        for (header, value) in fields {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.append(header, value);
            }
        }
        if !self.allowed {
            headers.insert(RETRY_AFTER, HeaderValue::from(reset.max(1)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { quota: 3, seconds: 60 };
    const WAITING: u32 = 64;
    const SETTINGS: RateLimits = RateLimits { address: Some(RATE), user: Some(RATE), mail: Some(RATE), tracked: 1024 };
    const NOW: u64 = 1_800_000_000_000;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let limiter = Limiter::new(&SETTINGS, WAITING as usize);
        let ask = |ms: u64| {
            let quota = limiter.request(&SETTINGS, address("192.0.2.1"), NOW + ms).unwrap();
            (quota.allowed, quota.remaining, quota.reset_seconds)
        };
        assert_eq!([ask(0), ask(0), ask(0)], [(true, 2, 20), (true, 1, 40), (true, 0, 20)]);
        assert_eq!(ask(0), (false, 0, 20));
        assert_eq!(ask(19_999), (false, 0, 1));
        assert_eq!(ask(20_000), (true, 0, 20));
        assert_eq!(ask(200_000), (true, 2, 20));
    }

    #[test]
    fn whoever_shares_a_network_of_ipv6_shares_a_bucket() {
        let limiter = Limiter::new(&SETTINGS, WAITING as usize);
        let left = |text: &str| limiter.request(&SETTINGS, address(text), NOW).unwrap().remaining;
        assert_eq!((left("2001:db8::1"), left("2001:db8::ffff:2"), left("2001:db8:0:1::1")), (2, 1, 2));
        assert_eq!((left("192.0.2.1"), left("::ffff:192.0.2.1"), left("192.0.2.2")), (2, 1, 2));
        assert_eq!(limiter.request(&SETTINGS, None, NOW), None);
        let off = RateLimits { address: None, ..SETTINGS };
        assert_eq!(limiter.request(&off, address("192.0.2.1"), NOW), None);
    }

    async fn password<'a>(limiter: &'a Limiter, realm: &str, user: &str) -> Admission<'a> {
        limiter.password(&SETTINGS, realm, user, || NOW).await.unwrap()
    }

    /// Whether it was checked.
    async fn wrong(limiter: &Limiter, realm: &str, user: &str) -> bool {
        match password(limiter, realm, user).await {
            Admission::Admitted(_, trial) => trial.wrong(NOW),
            Admission::Refused(quota) => {
                assert_eq!((quota.allowed, quota.remaining), (false, 0));
                return false;
            }
            Admission::Busy => panic!("nothing is being checked"),
        }
        true
    }

    #[tokio::test]
    async fn a_right_password_costs_nothing_and_users_are_told_apart() {
        let limiter = Limiter::new(&SETTINGS, WAITING as usize);
        for _ in 0..20 {
            assert!(matches!(password(&limiter, "/alpha", "demo").await, Admission::Admitted(..)));
        }
        for _ in 0..3 {
            assert!(wrong(&limiter, "/alpha", "demo").await);
        }
        assert!(!wrong(&limiter, "/alpha", "demo").await);
        assert!(wrong(&limiter, "/beta", "demo").await);
        assert!(wrong(&limiter, "/alphad", "emo").await);
        let off = RateLimits { user: None, ..SETTINGS };
        assert!(limiter.password(&off, "/alpha", "demo", || NOW).await.is_none());
    }

    /// However long a check takes, one that was no failure fills no bucket.
    #[tokio::test]
    async fn what_is_held_counts_until_it_is_known() {
        let limiter = Limiter::new(&SETTINGS, WAITING as usize);
        let at = async |ms: u64| match limiter.password(&SETTINGS, "/alpha", "demo", || NOW + ms).await.unwrap() {
            Admission::Admitted(quota, trial) => (quota.remaining, Some(trial)),
            Admission::Refused(_) => (9, None),
            Admission::Busy => panic!("nothing is being checked"),
        };
        let (left, first) = at(0).await;
        let (less, second) = at(0).await;
        assert_eq!((left, less), (2, 1));
        second.unwrap().wrong(NOW);
        // That one's token is back, the first one's was never gone.
        let (left, third) = at(20_000).await;
        assert_eq!(left, 1);
        third.unwrap().wrong(NOW + 20_000);
        drop(first);
        assert_eq!(at(20_000).await.0, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_are_checked_at_once_as_may_be_wrong_and_the_next_one_waits() {
        let limiter = Limiter::new(&SETTINGS, WAITING as usize);
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(password(&limiter, "/alpha", "demo").await);
        }
        let began = Instant::now();
        assert!(matches!(password(&limiter, "/alpha", "demo").await, Admission::Busy));
        assert_eq!(began.elapsed().as_secs(), PATIENCE.as_secs());
        assert!(matches!(password(&limiter, "/alpha", "another").await, Admission::Admitted(..)));
        let waiting = || password(&limiter, "/alpha", "demo");
        let mut settle = async || {
            tokio::task::yield_now().await;
            drop(held.pop());
        };
        let (first, second, ()) = tokio::join!(waiting(), waiting(), settle());
        // One is let in, and is not done in the other's time.
        assert!(matches!((&first, &second), (Admission::Admitted(..), Admission::Busy)));
        // Once all of them are known to be wrong, nobody waits any more.
        held.push(first);
        let began = Instant::now();
        let mut fail = async || {
            tokio::task::yield_now().await;
            for trial in held.drain(..) {
                let Admission::Admitted(_, trial) = trial else { panic!("it is held") };
                trial.wrong(NOW);
            }
        };
        let (last, ()) = tokio::join!(waiting(), fail());
        assert!(matches!(last, Admission::Refused(_)) && began.elapsed().is_zero());
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_wait_than_a_number() {
        let limiter = Limiter::new(&SETTINGS, WAITING as usize);
        let once = || password(&limiter, "/alpha", "demo");
        let held = tokio::join!(once(), once(), once());
        let places = limiter.waiting.try_acquire_many(WAITING).unwrap();
        let began = Instant::now();
        assert!(matches!(password(&limiter, "/alpha", "demo").await, Admission::Busy));
        assert!(began.elapsed().is_zero());
        drop((held, places));
        assert!(matches!(password(&limiter, "/alpha", "demo").await, Admission::Admitted(..)));
    }

    #[test]
    fn mails_to_one_address_are_counted_however_it_is_spelled() {
        let limiter = Limiter::new(&SETTINGS, WAITING as usize);
        let allowed = |to: &str| limiter.mail(&SETTINGS, to, NOW).unwrap().allowed;
        assert!(allowed("ann@example.com") && allowed("Ann@example.com ") && allowed("ANN@EXAMPLE.COM"));
        assert!(!allowed("ann@example.com"));
        assert!(allowed("ben@example.com"));
    }

    /// However many names are tried, memory stays what it is, and an empty bucket is not forgotten for full ones.
    #[tokio::test]
    async fn a_flood_of_names_makes_nobody_forgotten_who_is_at_the_limit() {
        let limiter = Limiter::new(&SETTINGS, WAITING as usize);
        for _ in 0..4 {
            wrong(&limiter, "/alpha", "victim").await;
        }
        let held = password(&limiter, "/alpha", "checked").await;
        for n in 0..100_000 {
            wrong(&limiter, "/alpha", &n.to_string()).await;
        }
        assert!(!wrong(&limiter, "/alpha", "victim").await);
        let entries = || limiter.users.shards.iter().flat_map(|shard| shard.entries.lock().unwrap().clone());
        assert_eq!((entries().count(), entries().filter(|entry| entry.held > 0).count()), (1024, 1));
        drop(held);
        assert_eq!(entries().filter(|entry| entry.held > 0).count(), 0);
    }

    #[test]
    fn headers_say_what_is_left() {
        let quota = Quota { allowed: false, limit: RATE, remaining: 0, reset_seconds: 20 };
        let mut headers = HeaderMap::new();
        quota.head("user", &mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"user\";q=3;w=60");
        assert_eq!(headers["ratelimit"], "\"user\";r=0;t=20");
        assert_eq!(headers["retry-after"], "20");
    }
}
