//! How often somebody may try: a bucket of tokens for each address and each user, in a fixed amount of memory.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use axum::http::HeaderMap;
use axum::http::header::{HeaderName, HeaderValue, RETRY_AFTER};

use crate::settings::{Rate, RateLimits};

/// Entries that one lock is for, and places that one key may have among them.
const SHARDS: usize = 16;
const WAYS: usize = 8;

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
    shards: Vec<Mutex<Vec<Entry>>>,
    hash: RandomState,
}

#[derive(Clone, Copy, Default)]
struct Entry {
    /// Of the key; 0 is nobody's.
    key: u64,
    full_at_us: u64,
}

impl Buckets {
    fn new(tracked: usize) -> Self {
        let each = tracked.div_ceil(SHARDS).next_multiple_of(WAYS);
        let shards = (0..SHARDS).map(|_| Mutex::new(vec![Entry::default(); each])).collect();
        Self { shards, hash: RandomState::new() }
    }

    /// Takes a token where there is one, and `cost` is not 0.
    fn take(&self, key: &[&[u8]], rate: Rate, cost: u64, now_ms: u64) -> Quota {
        self.with(key, |entry| {
            let quota = entry.look(rate, now_ms);
            if quota.allowed && cost > 0 {
                entry.full_at_us = entry.full_at_us.max(now_ms * 1000) + cost * interval_us(rate);
            }
            Quota { allowed: quota.allowed, ..entry.look(rate, now_ms) }
        })
    }

    fn give_back(&self, key: &[&[u8]], rate: Rate) {
        self.with(key, |entry| entry.full_at_us = entry.full_at_us.saturating_sub(interval_us(rate)));
    }

    fn with<T>(&self, key: &[&[u8]], work: impl FnOnce(&mut Entry) -> T) -> T {
        // Nobody outside knows the hash's key, so nobody finds two names that fall together.
        let key = self.hash.hash_one(key).max(1);
        let shard = usize::try_from(key % SHARDS as u64).unwrap_or_default();
        let mut entries = match self.shards.get(shard) {
            Some(shard) => shard.lock().unwrap_or_else(PoisonError::into_inner),
            None => return work(&mut Entry::default()),
        };
        let places = (entries.len() / WAYS).max(1) as u64;
        let first = usize::try_from((key / SHARDS as u64) % places).unwrap_or_default() * WAYS;
        let ways = entries.get_mut(first..first + WAYS).unwrap_or_default();
        let place = ways
            .iter()
            .position(|entry| entry.key == key)
            .or_else(|| ways.iter().enumerate().min_by_key(|(_, entry)| entry.full_at_us).map(|(at, _)| at));
        let Some(entry) = place.and_then(|place| ways.get_mut(place)) else { return work(&mut Entry::default()) };
        if entry.key != key {
            *entry = Entry { key, full_at_us: 0 };
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
        let missing = missing_us.div_ceil(interval);
        let remaining = rate.quota.saturating_sub(missing);
        let wait_us = if remaining > 0 { missing_us } else { missing_us.saturating_sub((rate.quota - 1) * interval) };
        Quota { allowed: remaining > 0, limit: rate, remaining, reset_seconds: wait_us.div_ceil(1_000_000) }
    }
}

/// What one origin remembers of who tried.
pub(crate) struct Limiter {
    addresses: Buckets,
    users: Buckets,
    mails: Buckets,
}

impl Limiter {
    pub(crate) fn new(settings: &RateLimits) -> Self {
        Self {
            addresses: Buckets::new(settings.tracked),
            users: Buckets::new(settings.tracked),
            mails: Buckets::new(settings.tracked),
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
        Some(self.addresses.take(&[&key], rate, 1, now_ms))
    }

    /// A password that is about to be checked. Counted before it is known whether it is right, so that many at once
    /// count as many; a right one is [given back](Self::right).
    pub(crate) fn password(&self, settings: &RateLimits, realm: &str, user: &str, now_ms: u64) -> Option<Quota> {
        Some(self.users.take(&[realm.as_bytes(), user.as_bytes()], settings.user?, 1, now_ms))
    }

    /// A mail that is about to be taken; `None` where nothing is limited. Some providers tell addresses apart by case:
    /// none that matters.
    pub(crate) fn mail(&self, settings: &RateLimits, to: &str, now_ms: u64) -> Option<Quota> {
        Some(self.mails.take(&[to.trim().to_lowercase().as_bytes()], settings.mail?, 1, now_ms))
    }

    pub(crate) fn right(&self, settings: &RateLimits, realm: &str, user: &str) {
        if let Some(rate) = settings.user {
            self.users.give_back(&[realm.as_bytes(), user.as_bytes()], rate);
        }
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
    const SETTINGS: RateLimits = RateLimits { address: Some(RATE), user: Some(RATE), mail: Some(RATE), tracked: 1024 };
    const NOW: u64 = 1_800_000_000_000;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let limiter = Limiter::new(&SETTINGS);
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
        let limiter = Limiter::new(&SETTINGS);
        let left = |text: &str| limiter.request(&SETTINGS, address(text), NOW).unwrap().remaining;
        assert_eq!((left("2001:db8::1"), left("2001:db8::ffff:2"), left("2001:db8:0:1::1")), (2, 1, 2));
        assert_eq!((left("192.0.2.1"), left("::ffff:192.0.2.1"), left("192.0.2.2")), (2, 1, 2));
        assert_eq!(limiter.request(&SETTINGS, None, NOW), None);
        let off = RateLimits { address: None, ..SETTINGS };
        assert_eq!(limiter.request(&off, address("192.0.2.1"), NOW), None);
    }

    #[test]
    fn a_right_password_costs_nothing_and_users_are_told_apart() {
        let limiter = Limiter::new(&SETTINGS);
        for _ in 0..20 {
            assert!(limiter.password(&SETTINGS, "/alpha", "demo", NOW).unwrap().allowed);
            limiter.right(&SETTINGS, "/alpha", "demo");
        }
        for _ in 0..3 {
            assert!(limiter.password(&SETTINGS, "/alpha", "demo", NOW).unwrap().allowed);
        }
        assert!(!limiter.password(&SETTINGS, "/alpha", "demo", NOW).unwrap().allowed);
        assert!(limiter.password(&SETTINGS, "/beta", "demo", NOW).unwrap().allowed);
        assert!(limiter.password(&SETTINGS, "/alphad", "emo", NOW).unwrap().allowed);
    }

    #[test]
    fn mails_to_one_address_are_counted_however_it_is_spelled() {
        let limiter = Limiter::new(&SETTINGS);
        let allowed = |to: &str| limiter.mail(&SETTINGS, to, NOW).unwrap().allowed;
        assert!(allowed("ann@example.com") && allowed("Ann@example.com ") && allowed("ANN@EXAMPLE.COM"));
        assert!(!allowed("ann@example.com"));
        assert!(allowed("ben@example.com"));
    }

    /// However many names are tried, memory stays what it is, and an empty bucket is not forgotten for full ones.
    #[test]
    fn a_flood_of_names_makes_nobody_forgotten_who_is_at_the_limit() {
        let limiter = Limiter::new(&SETTINGS);
        for _ in 0..4 {
            limiter.password(&SETTINGS, "/alpha", "victim", NOW);
        }
        for n in 0..100_000 {
            limiter.password(&SETTINGS, "/alpha", &n.to_string(), NOW);
        }
        assert!(!limiter.password(&SETTINGS, "/alpha", "victim", NOW).unwrap().allowed);
        let entries: usize = limiter.users.shards.iter().map(|shard| shard.lock().unwrap().len()).sum();
        assert_eq!(entries, 1024);
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
