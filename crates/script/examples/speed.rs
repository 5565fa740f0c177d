//! How long scripts take in the pool, from submitting to the decision. Run with `--release`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_script::{Generation, Host, Input, Limits, Sandbox, Script};

struct Nobody;
impl Host for Nobody {}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let begun = Instant::now();
    let sandbox = Sandbox::new(Limits::default(), 1, 16)?;
    println!("start of the sandbox      {:>10.1?}", begun.elapsed());
    let import =
        "var fr = JavaImporter(org.forgerock.openam.auth.node.api.Action, javax.security.auth.callback.NameCallback);";
    let java = "outcome = java.lang.String.format('%s', java.util.UUID.randomUUID()).length() > 5 ? 'true' : 'false'";
    for (name, generation, source) in [
        ("next, trivial", Generation::Next, "outcome = 'true'".to_owned()),
        (
            "next, state and callback",
            Generation::Next,
            "nodeState.putShared('a', 1); callbacksBuilder.nameCallback('User')".to_owned(),
        ),
        ("legacy, trivial", Generation::Legacy, "outcome = 'true'".to_owned()),
        (
            "legacy, callback",
            Generation::Legacy,
            format!("{import} action = fr.Action.send(new fr.NameCallback('User')).build()"),
        ),
        ("legacy, java.util", Generation::Legacy, java.to_owned()),
        ("endless loop", Generation::Next, "for (;;);".to_owned()),
        ("memory bomb", Generation::Next, "var a = []; for (;;) a.push(new Array(1000).fill(1));".to_owned()),
    ] {
        let script = Script { name: name.into(), generation, source: source.into() };
        let runs = if name.contains("bomb") || name.contains("endless") { 3 } else { 500 };
        let mut times = Vec::with_capacity(runs);
        let mut result = String::new();
        for _ in 0..runs {
            let begun = Instant::now();
            let report = sandbox.submit(script.clone(), Input::default(), Arc::new(Nobody))?.wait();
            times.push(begun.elapsed());
            result = report.result.map_or_else(|error| error.to_string(), |decision| format!("{:?}", decision.action));
        }
        times.sort_unstable();
        let at = |hundredth: usize| -> Duration { times[(times.len() - 1) * hundredth / 100] };
        result.truncate(60);
        println!("{name:<25} best {:>9.1?}  median {:>9.1?}  p99 {:>9.1?}  {result}", at(0), at(50), at(99));
    }
    Ok(())
}
