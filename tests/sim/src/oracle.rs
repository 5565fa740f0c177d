//! What may not happen, judged from acknowledgements and accepts alone.

use crate::time::Time;

pub type FamilyId = usize;
pub type UserId = usize;
pub type RealmId = usize;
pub type KeyId = usize;

/// What an operation ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    Family(FamilyId),
    /// Every session of the user that began before the operation was asked for.
    User(UserId),
    Realm(RealmId),
    Key(KeyId),
}

/// An acknowledgement: nothing in `scope` that began before `asked` is accepted from `deadline` on.
#[derive(Clone, Copy, Debug)]
struct Ended {
    scope: Scope,
    asked: Time,
    acked: Time,
    deadline: Time,
    barrier: bool,
}

/// What the oracle is told of a token that an edge accepted.
#[derive(Clone, Copy, Debug)]
pub struct Accepted {
    pub family: FamilyId,
    pub user: UserId,
    pub realm: RealmId,
    pub key: KeyId,
    /// When the login of its family began.
    pub began: Time,
    pub rvs: u64,
    /// What the edge said it had applied.
    pub applied: u64,
    pub edge: usize,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Violation {
    /// G1, G4: accepted after `T` from the acknowledgement.
    Late { scope: String, by_us: u64 },
    /// G2: accepted after the acknowledgement of a barrier logout.
    Barrier { scope: String, by_us: u64 },
    /// G3: decided on a token from ahead of what was applied.
    Ahead,
    /// After the faults were healed an edge does not accept what nobody ended.
    Dead(String),
}

#[derive(Default)]
pub struct Oracle {
    families: Vec<Option<Ended>>,
    others: Vec<Ended>,
    pub accepts: u64,
    pub acks: u64,
    pub barrier_acks: u64,
}

impl Oracle {
    pub fn acked(&mut self, scope: Scope, asked: Time, acked: Time, t_us: u64, barrier: bool) {
        self.acks += 1;
        self.barrier_acks += u64::from(barrier);
        let deadline = if barrier { acked } else { acked.plus_us(t_us) };
        let ended = Ended { scope, asked, acked, deadline, barrier };
        if let Scope::Family(family) = scope {
            if self.families.len() <= family {
                self.families.resize(family + 1, None);
            }
            let known = &mut self.families[family];
            if known.is_none_or(|known| deadline < known.deadline) {
                *known = Some(ended);
            }
        } else {
            self.others.push(ended);
        }
    }

    pub fn accepted(&mut self, token: &Accepted, at: Time) -> Option<Violation> {
        self.accepts += 1;
        if token.rvs > token.applied {
            return Some(Violation::Ahead);
        }
        let broken = self.broken(token, at)?;
        let by_us = at.since(broken.deadline);
        let scope = format!("{:?}, acknowledged at {}, by edge {}", broken.scope, broken.acked, token.edge);
        Some(if broken.barrier { Violation::Barrier { scope, by_us } } else { Violation::Late { scope, by_us } })
    }

    /// Whether anything acknowledged so far ends it, now or soon.
    pub fn is_ended(&self, token: &Accepted) -> bool {
        self.broken(token, Time(u64::MAX)).is_some()
    }

    fn broken(&self, token: &Accepted, at: Time) -> Option<&Ended> {
        let family = self.families.get(token.family).and_then(Option::as_ref);
        let others = self.others.iter().filter(|ended| match ended.scope {
            Scope::Family(family) => family == token.family,
            Scope::User(user) => user == token.user,
            Scope::Realm(realm) => realm == token.realm,
            Scope::Key(key) => key == token.key,
        });
        let all = family.into_iter().chain(others).filter(|ended| token.began < ended.asked && at >= ended.deadline);
        all.min_by_key(|ended| ended.deadline)
    }
}
