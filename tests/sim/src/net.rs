//! The network between an edge and what it polls, and all that may sit on it.

use std::collections::BTreeMap;
use std::rc::Rc;

use countersign_core::denylist::barrier::EdgeId;
use countersign_core::denylist::{Epoch, SnapshotDigest};
use countersign_core::replica::Nonce;

use crate::rng::Rng;
use crate::time::Time;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Node {
    Authority,
    Host(usize),
}

#[derive(Clone, Debug)]
pub enum Message {
    Poll {
        nonce: Nonce,
        edge: Option<EdgeId>,
        applied: Option<(Epoch, u64)>,
    },
    Heartbeat {
        bytes: Rc<[u8]>,
    },
    /// A relay's answer.
    Relayed {
        nonce: Nonce,
        bytes: Rc<[u8]>,
        left_ms: u64,
    },
    FetchSegment {
        epoch: Epoch,
        from: u64,
        to: u64,
    },
    Segment(Rc<[u8]>),
    FetchSnapshot(SnapshotDigest),
    Snapshot(Rc<[u8]>),
    FetchKeys,
    Keys(usize),
}

impl Message {
    /// Of what is carried in it.
    pub fn length(&self) -> u64 {
        match self {
            Self::Heartbeat { bytes } | Self::Relayed { bytes, .. } | Self::Segment(bytes) | Self::Snapshot(bytes) => {
                bytes.len() as u64
            }
            _ => 0,
        }
    }

    /// The same with other bytes.
    fn with(&self, other: Rc<[u8]>) -> Self {
        let mut message = self.clone();
        if let Self::Heartbeat { bytes } | Self::Relayed { bytes, .. } | Self::Segment(bytes) | Self::Snapshot(bytes) =
            &mut message
        {
            *bytes = other;
        }
        message
    }
}

#[derive(Clone, Debug)]
pub struct Envelope {
    pub from: Node,
    pub to: Node,
    pub message: Message,
}

/// One direction of a link.
#[derive(Clone, Debug)]
pub struct Link {
    pub latency_us: (u64, u64),
    /// In thousandths.
    pub drop: u64,
    pub duplicate: u64,
    pub flip: u64,
    /// Now and then a message takes much longer, and others overtake it.
    pub straggle: u64,
    pub blocked_until: Time,
    /// A proxy that holds everything back, and then lets it go at once.
    pub held_until: Time,
}

impl Link {
    pub fn healthy() -> Self {
        Self {
            latency_us: (500, 30_000),
            drop: 0,
            duplicate: 0,
            flip: 0,
            straggle: 0,
            blocked_until: Time(0),
            held_until: Time(0),
        }
    }

    /// When copies of a message arrive.
    fn arrivals(&self, now: Time, rng: &mut Rng) -> Vec<Time> {
        if now < self.blocked_until || rng.chance(self.drop) {
            return Vec::new();
        }
        let copies = 1 + u64::from(rng.chance(self.duplicate));
        (0..copies)
            .map(|copy| {
                let (low, high) = self.latency_us;
                let slow = if rng.chance(self.straggle) || copy > 0 { rng.within(0, 3_000_000) } else { 0 };
                let arrival = now.plus_us(rng.within(low, high) + slow);
                if now < self.held_until { arrival.max(self.held_until.plus_us(rng.within(0, 2000))) } else { arrival }
            })
            .collect()
    }
}

/// A box on the way that answers from memory.
#[derive(Clone, Default, Debug)]
pub struct Cache {
    segments: BTreeMap<(Epoch, u64, u64), Rc<[u8]>>,
    heartbeat: Option<Rc<[u8]>>,
    /// The last one that it saw, with the name it was asked for by.
    snapshot: Option<(SnapshotDigest, Rc<[u8]>)>,
    asked_snapshot: Option<SnapshotDigest>,
    /// So long it answers polls too, with whatever answer it saw last.
    pub answers_polls_until: Time,
    asked: Option<(Epoch, u64, u64)>,
}

impl Cache {
    /// Its answer to a request, instead of the upstream's.
    fn answer(&mut self, message: &Message, now: Time) -> Option<Message> {
        match message {
            Message::Poll { .. } if now < self.answers_polls_until => {
                self.heartbeat.clone().map(|bytes| Message::Heartbeat { bytes })
            }
            Message::FetchSegment { epoch, from, to } => {
                self.asked = Some((*epoch, *from, *to));
                self.segments.get(&(*epoch, *from, *to)).cloned().map(Message::Segment)
            }
            Message::FetchSnapshot(digest) => {
                self.asked_snapshot = Some(*digest);
                // While it answers for others it does not look at names.
                let wrong = now < self.answers_polls_until;
                let kept = self.snapshot.as_ref().filter(|(kept, _)| wrong || kept == digest);
                kept.map(|(_, bytes)| Message::Snapshot(Rc::clone(bytes)))
            }
            _ => None,
        }
    }

    fn note(&mut self, message: &Message) {
        match message {
            Message::Heartbeat { bytes, .. } => self.heartbeat = Some(Rc::clone(bytes)),
            Message::Snapshot(bytes) => {
                self.snapshot = self.asked_snapshot.take().map(|digest| (digest, Rc::clone(bytes)));
            }
            Message::Segment(bytes) => {
                if self.segments.len() > 64 {
                    self.segments.clear();
                }
                if let Some(asked) = self.asked.take() {
                    self.segments.insert(asked, Rc::clone(bytes));
                }
            }
            _ => {}
        }
    }
}

/// All links of one host with its upstreams.
#[derive(Clone, Debug)]
pub struct Path {
    pub up: Link,
    pub down: Link,
    pub cache: Option<Cache>,
}

impl Path {
    pub fn healthy() -> Self {
        Self { up: Link::healthy(), down: Link::healthy(), cache: None }
    }

    /// A network in which what a margin is for does not drown.
    pub fn hasten(&mut self) {
        (self.up.latency_us, self.down.latency_us) = ((100, 3_000), (100, 3_000));
    }

    /// A request of the host: arrivals of it, or of an answer from the cache.
    pub fn request(&mut self, envelope: Envelope, now: Time, rng: &mut Rng) -> Vec<(Time, Envelope)> {
        if let Some(answer) = self.cache.as_mut().and_then(|cache| cache.answer(&envelope.message, now)) {
            let back = Envelope { from: envelope.to, to: envelope.from, message: answer };
            return self.down.arrivals(now, rng).into_iter().map(|at| (at, back.clone())).collect();
        }
        self.up.arrivals(now, rng).into_iter().map(|at| (at, envelope.clone())).collect()
    }

    /// An answer on its way to the host.
    pub fn respond(&mut self, envelope: Envelope, now: Time, rng: &mut Rng) -> Vec<(Time, Envelope)> {
        if let Some(cache) = &mut self.cache {
            cache.note(&envelope.message);
        }
        let flip = self.down.flip;
        let arrivals = self.down.arrivals(now, rng);
        arrivals.into_iter().map(|at| (at, flipped(envelope.clone(), flip, rng))).collect()
    }
}

/// Changes a bit now and then; of a snapshot the rest may be missing.
fn flipped(mut envelope: Envelope, per_mille: u64, rng: &mut Rng) -> Envelope {
    if per_mille > 0
        && rng.chance(per_mille)
        && let Message::Heartbeat { bytes, .. }
        | Message::Segment(bytes)
        | Message::Snapshot(bytes)
        | Message::Relayed { bytes, .. } = &envelope.message
        && !bytes.is_empty()
    {
        let mut changed = bytes.to_vec();
        let at = rng.index(changed.len());
        changed[at] ^= 1 << rng.index(8);
        if matches!(envelope.message, Message::Snapshot(_)) && rng.chance(300) {
            changed.truncate(at);
        }
        envelope.message = envelope.message.with(changed.into());
    }
    envelope
}
