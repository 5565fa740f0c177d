//! What users, operators and misfortune do.

use countersign_core::denylist::Epoch;

use crate::host::digest;
use crate::net::{Cache, Message, Path};
use crate::oracle::Scope;
use crate::plan::PROFILES;
use crate::time::Time;
use crate::world::{Event, Op, OpIndex, REALMS, TokenIndex, USERS, World};

/// A fault that ends by itself.
#[derive(Clone, Debug)]
pub enum Fault {
    Path(usize),
    Crash(usize),
    Clock(usize),
    Authority,
    /// The authority comes back from a backup.
    Restore,
}

/// Delays after the deadline at which an edge is asked about what was ended: where margins end, and later.
const MOMENTS_US: [u64; 12] = [0, 300, 1_000, 2_000, 4_000, 8_000, 15_000, 25_000, 40_000, 60_000, 200_000, 1_000_000];

impl World {
    pub(crate) fn act(&mut self) {
        if self.healed {
            return;
        }
        let next = self.rng.within(1, 2 * self.plan.act_ms);
        self.after_ms(next, next + 1, Event::Act);
        match self.rng.next() % 100 {
            0..50 => self.ask_somewhere(),
            50..65 => {
                let user = self.rng.index(USERS);
                self.log_in(user);
            }
            65..75 => {
                let token = self.rng.index(self.tokens.len());
                self.renew(token);
            }
            75..92 => {
                let family = self.some_family();
                let barrier = self.rng.chance(200);
                self.end(Scope::Family(family), barrier, None);
            }
            92..97 => {
                let user = self.rng.index(USERS);
                let barrier = self.rng.chance(200);
                self.end(Scope::User(user), barrier, None);
            }
            97 => {
                let realm = self.rng.index(REALMS);
                if self.rng.chance(300) {
                    self.end(Scope::Realm(realm), false, None);
                }
            }
            _ => {
                if self.authority.up && self.ring.generations.len() < 40 {
                    if self.rng.chance(500) {
                        self.ring.rotate();
                        self.authority.keys = digest(self.ring.generations.len() - 1);
                    } else {
                        let key = self.ring.active();
                        self.end(Scope::Key(key), false, None);
                    }
                }
            }
        }
    }

    /// Rather a late one than an old one.
    fn some_family(&mut self) -> usize {
        let count = self.families.len();
        let back = self.rng.index(count.min(200));
        count - 1 - back
    }

    fn ask_somewhere(&mut self) {
        let mut family = self.some_family();
        // Rather a living one.
        for _ in 0..4 {
            if self.families[family].doomed {
                family = self.some_family();
            }
        }
        let tokens = &self.families[family].tokens;
        if tokens.is_empty() {
            return;
        }
        let token = tokens[self.rng.index(tokens.len())];
        if let Some(host) = self.some_edge(self.families[family].realm) {
            self.at(self.now, Event::Request { host, token, tries: 0, must: false });
        }
    }

    fn some_edge(&mut self, realm: usize) -> Option<usize> {
        let edges: Vec<usize> = (0..self.plan.edges).filter(|edge| self.hosts[*edge].realm == realm).collect();
        (!edges.is_empty()).then(|| self.rng.pick(&edges))
    }

    fn end(&mut self, scope: Scope, barrier: bool, against: Option<usize>) -> OpIndex {
        let realm_of = |user: usize| user % REALMS;
        for family in &mut self.families {
            let concerned = match scope {
                Scope::User(user) => family.user == user,
                Scope::Realm(realm) => realm_of(family.user) == realm,
                Scope::Family(_) | Scope::Key(_) => false,
            };
            family.doomed |= concerned;
        }
        if let Scope::Family(family) = scope {
            self.families[family].doomed = true;
        }
        let op = Op { scope, barrier, asked: self.now, seq: None, acked: false, against };
        self.ops.push(op);
        let op = self.ops.len() - 1;
        self.at(self.now, Event::Submit(op));
        op
    }

    /// Asks edges about something that was acknowledged, where it would hurt most.
    pub(crate) fn probe(&mut self, scope: Scope, t_us: u64, barrier: bool, against: Option<usize>) {
        let Some(token) = self.token_in(scope) else { return };
        let realm = self.families[self.tokens[token].family].realm;
        let deadline = if barrier { self.now } else { self.now.plus_us(t_us) };
        if let Some(host) = against {
            for moment in MOMENTS_US {
                self.at(deadline.plus_us(moment), Event::Request { host, token, tries: 8, must: false });
            }
            for _ in 0..6 {
                let later = self.rng.within(0, 3 * t_us);
                self.at(deadline.plus_us(later), Event::Request { host, token, tries: 8, must: false });
            }
        }
        for _ in 0..2 {
            let later = self.rng.within(0, 2 * t_us);
            if let Some(host) = self.some_edge(realm) {
                self.at(deadline.plus_us(later), Event::Request { host, token, tries: 0, must: false });
            }
        }
        // What ends around a slot's end is asked about there: by then it may have been purged.
        let left = self.families[self.tokens[token].family].fexp.0 * 1000;
        let end = Time(left.saturating_sub(self.start.0) * 1000);
        if end > self.now && end < self.plan.heal {
            for _ in 0..2 {
                let at = end.plus_us(self.rng.within(0, 60_000_000));
                if let Some(host) = self.some_edge(realm) {
                    self.at(at, Event::Request { host, token, tries: 0, must: false });
                }
            }
        }
    }

    fn token_in(&mut self, scope: Scope) -> Option<TokenIndex> {
        let families = &self.families;
        let tokens: Vec<TokenIndex> = match scope {
            Scope::Family(family) => families[family].tokens.clone(),
            Scope::User(user) => families.iter().filter(|f| f.user == user).flat_map(|f| f.tokens.clone()).collect(),
            Scope::Realm(realm) => {
                families.iter().filter(|f| f.realm == realm).flat_map(|f| f.tokens.clone()).collect()
            }
            Scope::Key(key) => (0..self.tokens.len()).filter(|token| self.tokens[*token].key == key).collect(),
        };
        (!tokens.is_empty()).then(|| self.rng.pick(&tokens))
    }

    /// The worst moment for a logout: just after a lease was granted, with the edge that has it cut off.
    pub(crate) fn snipe(&mut self, host: usize, answer: Message) {
        let lease_us = self.authority.longest_lease_ms(self.now) * 1000;
        let long = self.now.plus_us(lease_us * self.rng.within(11, 30) / 10);
        let way = if self.plan.drifting { self.rng.pick(&[0, 4, 4]) } else { self.rng.next() % 5 };
        self.trace(|_| format!("host {host} is cut off, in way {way}"));
        if way == 1 {
            // The answer is on its way for long.
            self.paths[host][0].down.held_until = self.now.plus_us(lease_us * self.rng.within(2, 30) / 10);
        }
        self.answer_poll(host, answer);
        let [path, relay] = &mut self.paths[host];
        match way {
            // A box answers instead of the authority, with the same answer again and again.
            2 => {
                path.cache.get_or_insert_with(Cache::default).answers_polls_until = long;
                relay.up.blocked_until = long;
            }
            1 => relay.up.blocked_until = long,
            // After it has fetched what it may lack.
            _ => self.after_ms(100, 130, Event::Cut { host, until: long }),
        }
        let victims: Vec<usize> = (0..self.families.len())
            .rev()
            .filter(|family| {
                let family = &self.families[*family];
                // A relay stands for those behind it.
                !family.doomed
                    && !family.tokens.is_empty()
                    && (self.hosts[host].is_relay || family.realm == self.hosts[host].realm)
            })
            .take(8)
            .collect();
        if victims.is_empty() {
            return;
        }
        let family = self.rng.pick(&victims);
        let realm = self.families[family].realm;
        let against = if self.hosts[host].is_relay { self.some_edge(realm) } else { Some(host) };
        if way == 3 {
            self.authority.crash();
            let back = self.rng.within(20, 300);
            self.after_ms(back, back + 1, Event::Undo(Fault::Authority));
            let op =
                Op { scope: Scope::Family(family), barrier: true, asked: self.now, seq: None, acked: false, against };
            self.families[family].doomed = true;
            self.ops.push(op);
            self.after_ms(back + 2, back + 6, Event::Submit(self.ops.len() - 1));
        } else {
            self.end(Scope::Family(family), way == 4, against);
        }
    }

    pub(crate) fn cut(&mut self, host: usize, until: Time) {
        if !self.healed {
            for path in &mut self.paths[host] {
                path.up.blocked_until = until;
            }
        }
    }

    pub(crate) fn fault(&mut self) {
        if self.healed {
            return;
        }
        let next = self.rng.within(1, 2 * self.plan.fault_ms);
        self.after_ms(next, next + 1, Event::Fault);
        let host = self.rng.index(self.hosts.len());
        let lease_ms = self.plan.lease_ms;
        let way = self.rng.next() % 100;
        match way {
            0..40 => self.path_fault(host),
            40..48 => {
                let paused = self.rng.within(50, 3 * lease_ms);
                let paused = if self.rng.chance(30) { 600_000 } else { paused };
                self.hosts[host].paused_until = self.now.plus_ms(paused);
                self.trace(|_| format!("host {host} stands still for {paused} ms"));
            }
            48..58 => {
                if !self.hosts[host].up {
                    return;
                }
                match self.rng.next() % 4 {
                    0 => self.hosts[host].persist(),
                    1 => {
                        if let Some((_, bytes)) = &mut self.hosts[host].disk {
                            let at = self.rng.index(bytes.len());
                            bytes[at] ^= 1 << self.rng.index(8);
                        }
                    }
                    2 => self.hosts[host].disk = None,
                    _ => {}
                }
                self.hosts[host].crash();
                self.trace(|_| format!("host {host} crashes"));
                self.after_ms(10, 4_000, Event::Undo(Fault::Crash(host)));
            }
            58..68 => self.step_clock(host),
            68..76 => {
                if self.authority.up {
                    self.authority.crash();
                    self.trace(|_| "the authority crashes".to_owned());
                    self.after_ms(20, 6_000, Event::Undo(Fault::Authority));
                }
            }
            76..80 => self.backup = Some(self.authority.log.clone()),
            80..82 => {
                if self.authority.up && self.backup.is_some() {
                    self.authority.crash();
                    self.trace(|_| "the authority's disk is gone".to_owned());
                    self.after_ms(100, 6_000, Event::Undo(Fault::Restore));
                }
            }
            82..90 => {
                if self.authority.up {
                    let floor = self.authority.compact(self.now);
                    self.trace(|_| format!("compacted up to {floor}"));
                }
            }
            90..94 => {
                let (poll_ms, lease_ms) = self.rng.pick(&PROFILES[..2]);
                if self.authority.up && self.plan.lease_ms <= 10_000 {
                    self.authority.configure(lease_ms, poll_ms, self.now);
                    self.trace(|_| format!("L is {lease_ms} ms from now on"));
                }
            }
            _ => {
                if self.plan.storms {
                    self.storm();
                }
            }
        }
    }

    fn path_fault(&mut self, host: usize) {
        let lease_ms = self.plan.lease_ms;
        let which = usize::from(self.hosts[host].relay.is_some() && self.rng.chance(500));
        let until = self.now.plus_ms(self.rng.within(50, 3 * lease_ms));
        let cached = self.rng.chance(300);
        let way = self.rng.next() % 7;
        let Path { up, down, cache } = &mut self.paths[host][which];
        match way {
            0 => up.blocked_until = until,
            1 => down.blocked_until = until,
            2 => (up.blocked_until, down.blocked_until) = (until, until),
            3 => {
                let link = if self.rng.chance(500) { up } else { down };
                link.held_until = self.now.plus_ms(self.rng.within(100, 30_000));
            }
            4 => {
                for link in [up, down] {
                    link.drop = self.rng.pick(&[0, 10, 100, 400]);
                    link.duplicate = self.rng.pick(&[0, 50, 200, 400]);
                    link.straggle = self.rng.pick(&[0, 20, 100, 300]);
                }
            }
            5 => {
                down.flip = self.rng.pick(&[5, 50, 300]);
                down.latency_us = self.rng.pick(&[(200, 2_000), (500, 30_000), (20_000, 800_000)]);
            }
            _ => {
                let cache = cache.get_or_insert_with(Cache::default);
                if cached {
                    cache.answers_polls_until = until;
                }
            }
        }
        self.trace(|_| format!("path {which} of host {host} fails in way {way} until {until}"));
        let ends = self.rng.within(1_000, 20_000);
        self.after_ms(ends, ends + 1, Event::Undo(Fault::Path(host)));
    }

    /// The clock is looked at right before a step and right after it: that it went back while nobody looked cannot be
    /// seen, unless by more than had passed since. The bound is longer by such a step.
    fn step_clock(&mut self, host: usize) {
        let small = self.rng.within(300, 5_000).cast_signed();
        let large = self.rng.pick(&[20_000, 300_000, 1_200_000, 86_400_000]);
        let by = match self.rng.next() % 4 {
            0 => small,
            1 => -small,
            2 => large,
            _ => -large,
        };
        let paused = self.hosts[host].paused_until > self.now;
        if paused && by < 0 {
            return;
        }
        if by < 0 {
            self.look(host);
        }
        self.hosts[host].clock.step(self.now, by);
        self.trace(|_| format!("the clock of host {host} steps by {by} ms"));
        self.look(host);
        if by.abs() > 1_000 {
            self.after_ms(200, 15_000, Event::Undo(Fault::Clock(host)));
        }
    }

    fn look(&mut self, host: usize) {
        self.hosts[host].look(self.now);
    }

    fn storm(&mut self) {
        let count = self.rng.within(50, 600);
        self.trace(|_| format!("a storm of {count} logouts"));
        for _ in 0..count {
            let user = self.rng.index(USERS);
            let (began, rvs) = (self.now, self.authority.log.head());
            self.mint(user, began, rvs, None);
            let family = self.families.len() - 1;
            self.families[family].doomed = true;
            self.ops.push(Op {
                scope: Scope::Family(family),
                barrier: false,
                asked: self.now.plus_us(1),
                seq: None,
                acked: false,
                against: None,
            });
            let op = self.ops.len() - 1;
            self.after_ms(1, 1_000, Event::Submit(op));
        }
    }

    pub(crate) fn undo(&mut self, fault: &Fault) {
        match *fault {
            Fault::Path(host) => {
                for path in &mut self.paths[host] {
                    let (up, down) = (path.up.blocked_until, path.down.blocked_until);
                    let cache = path.cache.take();
                    *path = Path::healthy();
                    // A cache stays where it is; so does a cut that was made for longer.
                    path.cache = cache;
                    (path.up.blocked_until, path.down.blocked_until) = (up, down);
                }
            }
            Fault::Crash(host) => {
                if !self.hosts[host].up {
                    self.hosts[host].restart(&self.ring);
                    self.trace(|_| format!("host {host} is back"));
                }
            }
            Fault::Clock(host) => {
                let offset = self.rng.within(0, 100_000).cast_signed() - 50_000;
                let before = self.hosts[host].now(self.now);
                let mut corrected = self.hosts[host].clock.clone();
                corrected.correct(self.start, self.now, offset);
                if self.hosts[host].paused_until > self.now && corrected.read(self.now) < before {
                    self.after_ms(500, 1_000, Event::Undo(Fault::Clock(host)));
                    return;
                }
                if corrected.read(self.now) < before {
                    self.look(host);
                }
                self.hosts[host].clock = corrected;
                self.look(host);
                self.trace(|_| format!("the clock of host {host} is set right, {offset} ms off"));
            }
            Fault::Authority => {
                if !self.authority.up {
                    self.authority.restart(self.now);
                    self.trace(|_| "the authority is back".to_owned());
                }
            }
            Fault::Restore => self.restore(),
        }
    }

    fn restore(&mut self) {
        let Some(backup) = self.backup.clone().filter(|_| !self.authority.up) else {
            self.undo(&Fault::Authority);
            return;
        };
        let realms: Vec<_> = (0..REALMS).map(|realm| self.realm_mark(realm)).collect();
        let epoch = Epoch(self.rng.bytes());
        self.authority.restore(&backup, epoch, &realms, self.now);
        // Everybody has to log in anew.
        self.families.iter_mut().for_each(|family| family.doomed = true);
        self.trace(|w| format!("the authority is back from a backup, at {}", w.authority.log.head()));
    }

    pub(crate) fn heal(&mut self) {
        self.healed = true;
        self.trace(|_| "everything is healed".to_owned());
        for host in 0..self.hosts.len() {
            self.paths[host] = [Path::healthy(), Path::healthy()];
            self.hosts[host].paused_until = Time(0);
            if !self.hosts[host].up {
                self.hosts[host].restart(&self.ring);
            }
            // It looks before its clock is set right, and after it.
            self.look(host);
            let offset = self.rng.within(0, 40_000).cast_signed() - 20_000;
            self.hosts[host].clock.correct(self.start, self.now, offset);
            self.look(host);
        }
        if !self.authority.up {
            self.authority.restart(self.now);
        }
    }

    /// What nobody ended must be accepted now, everywhere.
    pub(crate) fn verify(&mut self) {
        let now = self.authority.wall(self.now).seconds();
        for host in 0..self.plan.edges {
            let realm = self.hosts[host].realm;
            let alive: Vec<TokenIndex> = (0..self.tokens.len())
                .filter(|token| {
                    let family = &self.families[self.tokens[*token].family];
                    family.realm == realm && family.fexp.0 > now.0 + 120 && self.holds(*token)
                })
                .collect();
            // One made since, and one from before.
            let tokens = alive.last().copied().into_iter().chain(alive.first().copied());
            for token in tokens.collect::<Vec<_>>() {
                self.after_ms(0, 500, Event::Request { host, token, tries: 0, must: true });
            }
        }
    }
}
