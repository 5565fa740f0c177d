//! Microseconds of a journey's step and of a script, in this process: without HTTP and without the store.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use countersign_origin::MeasuredStep;
use countersign_script::{Generation, Host, Input, Limits, Sandbox, Script};
use serde_json::json;
use xtask::say;

use crate::journeys::SCRIPT;
use crate::load::cpu_of;
use crate::report::{Goal, Quartiles, figure, rounded};

const REPEATS: usize = 21;
const TURNS: u32 = 200;
/// Long enough for an idle thread to make the next engine.
const REST: Duration = Duration::from_millis(5);

struct Nobody;
impl Host for Nobody {}

pub(crate) fn run() -> Result<()> {
    say("a step and a script");
    step()?;
    for (name, generation, source) in
        [("script", Generation::Next, SCRIPT), ("legacy_script", Generation::Legacy, "outcome = 'true'")]
    {
        script(name, Script { name: name.into(), generation, source: source.into() })?;
    }
    Ok(())
}

/// Opening the `authId`, the engine, and sealing the next one: a mean over 200, of 21 such the median; the parts are
/// medians of single ones.
fn step() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| anyhow!(error);
    let (whole, [open, run, seal], bytes) = runtime.block_on(async {
        let step = MeasuredStep::new(dir.path()).await.map_err(failed)?;
        let (mut wholes, mut parts, mut bytes) = (Vec::new(), [Vec::new(), Vec::new(), Vec::new()], 0);
        for repeat in 0..=REPEATS {
            let begun = Instant::now();
            for _ in 0..TURNS {
                let one = step.take().await.map_err(failed)?;
                let took = [one.open, one.run, one.seal].map(|part| part.as_secs_f64() * 1e6);
                parts.iter_mut().zip(took).for_each(|(samples, part)| samples.push(part));
                bytes = one.bytes;
            }
            let mean = begun.elapsed().as_secs_f64() * 1e6 / f64::from(TURNS);
            wholes.extend((repeat > 0).then_some(mean));
        }
        anyhow::Ok((Quartiles::of(wholes), parts.map(|part| rounded(Quartiles::of(part).median)), bytes))
    })?;
    let detail = json!({"open": open, "run": run, "seal": seal, "auth_id_bytes": bytes, "quartiles": whole.to_json()});
    figure("journeys.step", whole.median, "us", Some(Goal::AtMost(60.0)), detail);
    Ok(())
}

/// From handing a script in to its decision, where a thread is idle, as it is between two logins; and what a run costs
/// the processor in all, which is what counts where none is.
fn script(name: &str, script: Script) -> Result<()> {
    let sandbox = Sandbox::new(Limits::default(), 1, 16)?;
    let run = || -> Result<Duration> {
        let begun = Instant::now();
        sandbox.submit(script.clone(), Input::default(), Arc::new(Nobody))?.wait().result?;
        Ok(begun.elapsed())
    };
    let mut times = Vec::new();
    for _ in 0..TURNS {
        std::thread::sleep(REST);
        times.push(run()?.as_secs_f64() * 1e6);
    }
    let latency = Quartiles::of(times);
    let mut costs = Vec::new();
    for _ in 0..REPEATS {
        let before = cpu_of(std::process::id());
        for _ in 0..TURNS {
            run()?;
        }
        let spent = cpu_of(std::process::id()).zip(before).map(|(after, before)| after - before);
        costs.push(spent.context("the system does not tell")? * 1e6 / f64::from(TURNS));
    }
    let detail = json!({"quartiles": latency.to_json(), "cpu_us": rounded(Quartiles::of(costs).median)});
    figure(&format!("journeys.{name}.run"), latency.median, "us", Some(Goal::AtMost(300.0)), detail);
    Ok(())
}
