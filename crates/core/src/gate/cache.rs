use crate::session::Session;
use crate::token::same;

/// Remembers the cryptographic result of exact token bytes, and nothing else: times, denylist and lease are judged on
/// every request. Bounded: a fixed number of places, each token having one place it may stand in.
pub struct SessionCache {
    /// All places but one.
    places: Vec<Place>,
    /// There is one in any case: what the host verified is put here for the look that follows.
    last: Place,
    hits: u64,
    misses: u64,
}

#[derive(Default)]
struct Place {
    /// The whole token: its last characters alone would let a forged prefix ride on a true tail (attack J34).
    token: Vec<u8>,
    session: Option<Session>,
    /// Put here for the look that follows, which is neither a hit nor another miss.
    put: bool,
}

impl SessionCache {
    /// A cache of `places` tokens, and of one at least. A place costs about twice the length of its token.
    pub fn new(places: usize) -> Self {
        let mut empty = Vec::new();
        empty.resize_with(places.saturating_sub(1), Place::default);
        Self { places: empty, last: Place::default(), hits: 0, misses: 0 }
    }

    pub fn hits(&self) -> u64 {
        self.hits
    }

    pub fn misses(&self) -> u64 {
        self.misses
    }

    pub(super) fn clear(&mut self) {
        self.places.fill_with(Place::default);
        self.last = Place::default();
    }

    /// Takes a session that was verified meanwhile.
    pub(super) fn put(&mut self, token: &[u8], session: Session) {
        *place_of(&mut self.places, &mut self.last, token) =
            Place { token: token.to_vec(), session: Some(session), put: true };
    }

    pub(super) fn get_or_open<E>(
        &mut self,
        token: &[u8],
        open: impl FnOnce() -> Result<Session, E>,
    ) -> Result<&Session, E> {
        let Place { token: known, session, put } = place_of(&mut self.places, &mut self.last, token);
        match (session, same(known, token)) {
            (Some(session), true) => {
                self.hits += u64::from(!std::mem::take(put));
                Ok(session)
            }
            (session, _) => {
                self.misses += 1;
                // A token that does not verify leaves the place as it was: refused ones must not push out good ones.
                let opened = open()?;
                known.clear();
                known.extend_from_slice(token);
                *put = false;
                Ok(session.insert(opened))
            }
        }
    }
}

/// The tail of a token is a signature or an authentication tag, so it is as good as a hash of it; only tokens that
/// verified get a place, so nobody can choose where they fall.
fn place_of<'a>(places: &'a mut [Place], last: &'a mut Place, token: &[u8]) -> &'a mut Place {
    let tail = token.last_chunk().map_or(0, |tail| u64::from_le_bytes(*tail));
    // By a factor without pattern (2^64 by the golden ratio) into the high bits, and those into the number of places.
    let hash = tail.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let at = usize::try_from((hash * (places.len() as u64 + 1)) >> 32).ok();
    at.and_then(|at| places.get_mut(at)).unwrap_or(last)
}
