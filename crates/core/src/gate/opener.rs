//! From a token's bytes to the session, by way of the cache and, where a key is the host's, of the host.

use super::SessionCache;
use crate::denylist::fingerprint::DenylistKey;
use crate::keys::KeySet;
use crate::session::{CommonMarks, Session, SessionClaims};
use crate::token::{self, Kind, Opened, Scratch, TokenError, Unproven, Verified};

pub(super) struct Opener {
    keys: KeySet,
    denylist_key: DenylistKey,
    common: CommonMarks,
    cache: SessionCache,
    scratch: Scratch,
    /// How often keys were replaced: the host's answer about a key of before says nothing.
    generation: u64,
}

/// A signature that the host is to verify.
#[derive(Clone)]
pub struct Signature {
    unproven: Unproven,
    /// The whole token, by which the cache knows it.
    token: Vec<u8>,
    /// Of the keys it was looked at with.
    generation: u64,
}

impl Signature {
    /// What is to be verified, and with which key.
    pub fn unproven(&self) -> &Unproven {
        &self.unproven
    }
}

/// It has a whole session cookie in it.
impl std::fmt::Debug for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signature")
    }
}

/// Why a token gave no session.
pub(super) enum Closed {
    Refused(TokenError),
    Unproven(Box<Signature>),
}

impl Opener {
    pub(super) fn new(keys: KeySet, denylist_key: DenylistKey, cache: SessionCache) -> Self {
        let (common, scratch) = (CommonMarks::default(), Scratch::default());
        Self { keys, denylist_key, common, cache, scratch, generation: 0 }
    }

    pub(super) fn replace_keys(&mut self, keys: KeySet) {
        self.keys = keys;
        self.forget();
    }

    pub(super) fn replace_denylist_key(&mut self, key: DenylistKey) {
        self.denylist_key = key;
        self.common = CommonMarks::default();
        self.forget();
    }

    fn forget(&mut self) {
        self.generation += 1;
        self.cache.clear();
    }

    pub(super) fn denylist_key(&self) -> &DenylistKey {
        &self.denylist_key
    }

    pub(super) fn cache(&self) -> &SessionCache {
        &self.cache
    }

    /// The verified session of a token's bytes, from the cache when these exact bytes were verified before.
    pub(super) fn session(&mut self, bytes: &[u8]) -> Result<&Session, Closed> {
        let Self { keys, denylist_key, common, cache, scratch, generation } = self;
        cache.get_or_open(bytes, || match token::open_or_ask(bytes, Kind::Session, keys, scratch) {
            Ok(Opened::Verified(verified)) => Ok(Session::with_common(verified, denylist_key, common)),
            Ok(Opened::Unproven(unproven)) => {
                let signature = Signature { unproven, token: bytes.to_vec(), generation: *generation };
                Err(Closed::Unproven(Box::new(signature)))
            }
            Err(error) => Err(Closed::Refused(error)),
        })
    }

    pub(super) fn take_signature(&mut self, asked: Signature, valid: bool) -> Result<(), TokenError> {
        // A word about keys of before is neither good nor bad.
        if asked.generation != self.generation {
            return Ok(());
        }
        let verified: Verified<SessionClaims> = asked.unproven.answered(valid, &mut self.scratch)?;
        let session = Session::with_common(verified, &self.denylist_key, &mut self.common);
        self.cache.put(&asked.token, session);
        Ok(())
    }
}
