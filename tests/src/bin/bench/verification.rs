//! Microseconds per verification inside workerd: a loop in a worker, timed from outside, less the request around it.
//! A loop is kept well below a second: a denylist refresh that waits behind it would be over its time.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use countersign_core::keys::SigningAlg;
use countersign_core::session::SessionClaims;
use serde_json::{Value, json};
use xtask::say;

use crate::feed;
use crate::load::{Connection, Load, cpu_of};
use crate::report::{Goal, Quartiles, figure, rounded};
use crate::tokens::{self, Mint};
use crate::workers::{CHECK, COOKIE, Family, Pair, Workers, get};

/// Bytes of the `Cookie` header, at least: the smallest session in both layers has more than the first.
const SIZES: [usize; 4] = [500, COOKIE, 2000, 3500];
/// Tokens that take turns; one place in the cache, so that each is new when its turn comes.
const TURNS: usize = 64;
const REPEATS: usize = 11;

pub(crate) fn run(workers: &Workers) -> Result<()> {
    let empty = cpu_of_an_empty_request(workers)?;
    for family in &workers.families {
        // One content encryption, that of new realms.
        let pair = format!("{}-a256gcm", family.alg.name().to_lowercase());
        say(format_args!("in the worker: {pair}"));
        let (times, bound) = match family.alg {
            SigningAlg::EdDsa => (400, 110.0),
            _ => (2_000, 12.0),
        };
        for size in SIZES {
            let mut mint = Mint::new(family.alg)?;
            let claims = mint.claims_for(size)?;
            measure(workers, family, &mut mint, &claims, times, (size == COOKIE).then_some(bound), empty)?;
        }
        let typical = SessionClaims { exp: feed::now().seconds().plus(86_400), ..tokens::typical_claims()? };
        // The log of the benchmark is empty: a later token would wait for it.
        let typical = SessionClaims { fexp: typical.exp, rvs: 0, ..typical };
        measure(workers, family, &mut Mint::new(family.alg)?, &typical, times, None, None)?;
    }
    say("in the worker: each pair of algorithms");
    for Pair { format, repeat, jose } in &workers.pairs {
        let mut mint = Mint::new(*format)?;
        let claims = mint.claims_for(COOKIE)?;
        let cookies: Vec<String> =
            (0..TURNS).map(|_| Ok(tokens::cookie(&mint.token(&claims)?))).collect::<Result<_>>()?;
        let bytes = cookies.first().map_or(0, String::len);
        let name = |what: &str| format!("worker.pairs.{}.{what}", format.name());
        let (cold, detail) = per_verification(workers, *repeat, &cookies, 1_000, bytes)?;
        figure(&name("cold"), cold, "us per verification", None, detail);
        let (cached, detail) = per_verification(workers, *repeat, &cookies[..1], 50_000, bytes)?;
        figure(&name("cached"), cached, "us per verification", None, detail);
        let (jose, detail) = per_verification(workers, *jose, &cookies, 250, bytes)?;
        figure(&name("jose"), jose, "us per verification", None, detail.clone());
        figure(&name("cold_beside_jose"), cold / jose, "of jose's time", None, detail);
    }
    Ok(())
}

fn measure(
    workers: &Workers,
    family: &Family,
    mint: &mut Mint,
    claims: &SessionClaims,
    times: u32,
    bound: Option<f64>,
    empty: Option<f64>,
) -> Result<()> {
    let cookies: Vec<String> = (0..TURNS).map(|_| Ok(tokens::cookie(&mint.token(claims)?))).collect::<Result<_>>()?;
    let bytes = cookies.first().map_or(0, String::len);
    let properties = claims.properties.iter().count();
    let pair = format!("worker.{}-a256gcm", family.alg.name().to_lowercase());
    let name = |what: &str| match properties {
        0..=3 => format!("{pair}.{what}.{bytes}"),
        _ => format!("{pair}.{what}.{bytes}.properties_{properties}"),
    };
    let (cold, detail) = per_verification(workers, family.repeat, &cookies, times, bytes)?;
    figure(&name("cold"), cold, "us per verification", bound.map(Goal::AtMost), detail);
    if bound.is_some() {
        let (cached, mut detail) = per_verification(workers, family.repeat, &cookies[..1], 50_000, bytes)?;
        figure(&name("cached"), cached, "us per verification", Some(Goal::AtMost(1.2)), detail.clone());
        if let Some(empty) = empty {
            detail["cpu_us_per_empty_request"] = rounded(empty).into();
            figure(
                &name("cached_share"),
                cached / empty,
                "of an empty worker's request",
                Some(Goal::AtMost(0.05)),
                detail,
            );
        }
        let (jose, detail) = per_verification(workers, family.jose, &cookies, times / 4, bytes)?;
        figure(&name("jose"), jose, "us per verification", None, detail.clone());
        figure(&name("cold_beside_jose"), cold / jose, "of jose's time", None, detail);
    }
    Ok(())
}

/// What a request costs that asks for nothing, where the system tells CPU time.
fn cpu_of_an_empty_request(workers: &Workers) -> Result<Option<f64>> {
    let mut load = Load::new(workers.empty, vec![get(workers.empty, CHECK, "a=b")], 204);
    let mut samples = Vec::new();
    for repeat in 0..=5 {
        let run = load.run(Duration::from_millis(500), workers.pid())?;
        samples.extend(run.server_cpu.filter(|_| repeat > 0));
    }
    Ok((!samples.is_empty()).then(|| Quartiles::of(samples).median))
}

fn per_verification(
    workers: &Workers,
    addr: SocketAddr,
    cookies: &[String],
    times: u32,
    bytes: usize,
) -> Result<(f64, Value)> {
    let mut connection = Connection::open(addr)?;
    let body = cookies.join("\n");
    let post = |times: u32| {
        let length = body.len();
        let head = format!("POST /loop?n={times} HTTP/1.1\r\nHost: {addr}\r\nContent-Length: {length}\r\n\r\n");
        (head + &body).into_bytes()
    };
    let (none, many) = (post(0), post(times));
    let hits = if cookies.len() == 1 { times - 1 } else { 0 };
    let warm_up = get(addr, CHECK, cookies.first().context("no cookie")?);
    let mut samples = Vec::new();
    for repeat in 0..=REPEATS {
        // A plain request first: it renews the lease when that is due.
        ensure!(connection.exchange(&warm_up)?.0 == 204, "the loop worker refuses a good session");
        let around = Stopwatch::start(workers.pid());
        connection.exchange(&none)?;
        let around = around.seconds();
        let all = Stopwatch::start(workers.pid());
        let (status, body) = connection.exchange(&many)?;
        let all = all.seconds();
        let answer: Value = serde_json::from_slice(body).context("the loop worker gave no JSON")?;
        ensure!(status == 200 && answer["checked"] == times, "not every verification in the loop was good: {answer}");
        let found = answer["cached"].as_u64().context("no count")?;
        ensure!(found >= hits.into() && (hits > 0 || found <= 1), "the loop was cached {found} times, not {hits}");
        if repeat > 0 {
            samples.push((all - around) * 1e6 / f64::from(times));
        }
    }
    let quartiles = Quartiles::of(samples);
    let detail = json!({
        "cookie_bytes": bytes,
        "verifications": times,
        "repeats": REPEATS,
        "quartiles": quartiles.to_json(),
    });
    Ok((quartiles.median, detail))
}

/// CPU time of the runtime where the system tells it, else elapsed time.
pub(crate) struct Stopwatch {
    process: u32,
    cpu: Option<f64>,
    started: Instant,
}

impl Stopwatch {
    pub(crate) fn start(process: u32) -> Self {
        Self { process, cpu: cpu_of(process), started: Instant::now() }
    }

    pub(crate) fn seconds(&self) -> f64 {
        match (self.cpu, cpu_of(self.process)) {
            (Some(before), Some(after)) => after - before,
            _ => self.started.elapsed().as_secs_f64(),
        }
    }
}
