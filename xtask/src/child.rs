//! What we start ends with us, whatever ends us: a server, whose output goes to a file, and a tool that takes its time.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// Reads a pipe that only we hold: a line says that the child is accounted for; an end without one says that we are
/// gone (crashed, killed, or leaving a static behind, where no `Drop` runs), and then the child must go too.
const GUARD: &str = r#"trap '' HUP INT TERM; read -r _ || kill -"$1" "$0""#;

const POLL: Duration = Duration::from_millis(5);

/// Sends `signal` to a process if ours ends before this is dropped.
struct Guard(Child);

impl Guard {
    fn over(pid: u32, signal: &str) -> Result<Self> {
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARD, &pid.to_string(), signal]);
        let guard = guard.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        guard.map(Self).context("cannot start sh")
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(mut pipe) = self.0.stdin.take() {
            let _ = std::io::Write::write_all(&mut pipe, b"\n");
        }
        let _ = self.0.wait();
    }
}

/// Runs a tool to its end. It is asked to stop, rather than killed, so that it can stop what it has started itself.
pub(crate) fn run(command: &mut Command) -> Result<Output> {
    let mut child = command.spawn().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    let guard = Guard::over(child.id(), "TERM");
    if guard.is_err() {
        let _ = child.kill();
    }
    let output = child.wait_with_output().with_context(|| format!("cannot wait for {:?}", command.get_program()));
    guard.and(output)
}

pub struct Managed {
    name: String,
    child: Child,
    guard: Option<Guard>,
    log: PathBuf,
}

impl Managed {
    /// `name` is for people. The log file is started anew.
    pub fn spawn(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
        let err = file.try_clone().with_context(|| format!("cannot open {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(file).stderr(err);
        let child = command.spawn().with_context(|| format!("cannot start {name} ({:?})", command.get_program()))?;
        let mut managed = Self { name: name.to_owned(), child, guard: None, log: log.to_path_buf() };
        managed.guard = Some(Guard::over(managed.pid(), "KILL")?);
        Ok(managed)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the program has printed so far.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// One line on how it ended, if it did.
    pub fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok().flatten()?;
        Some(self.obituary(status))
    }

    /// Waits until `probe` holds; a child that dies first, or takes longer than `limit`, is an error with its last
    /// words.
    pub fn wait_until(&mut self, limit: Duration, mut probe: impl FnMut() -> bool) -> Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(line) = self.ended() {
                bail!(line);
            }
            if probe() {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("{} is not ready after {} s; see {}", self.name, limit.as_secs(), self.log.display());
            }
            std::thread::sleep(POLL);
        }
    }

    /// `TERM`, `STOP`, `CONT`, … as kill(1) names them.
    pub fn signal(&self, signal: &str) -> Result<()> {
        // A shell's own `kill`: the program kill(1) is absent from small images.
        let mut kill = Command::new("sh");
        kill.args(["-c", r#"kill -"$0" "$1""#, signal, &self.pid().to_string()]).stderr(Stdio::null());
        if !kill.status().context("cannot run sh")?.success() {
            bail!("cannot send {signal} to {}", self.name);
        }
        Ok(())
    }

    /// Asks it to stop and waits; what still runs after `limit` is killed and reported.
    pub fn terminate(mut self, limit: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + limit;
        let mut asked = false;
        loop {
            if let Some(status) = self.child.try_wait().with_context(|| format!("cannot wait for {}", self.name))? {
                return Ok(status);
            }
            if !asked {
                self.signal("TERM")?;
                asked = true;
            }
            if Instant::now() > deadline {
                bail!("{} did not stop within {} s of SIGTERM; see {}", self.name, limit.as_secs(), self.log.display());
            }
            std::thread::sleep(POLL);
        }
    }

    fn obituary(&self, status: ExitStatus) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let last = log.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it printed nothing");
        let last: String = last.trim().chars().take(300).collect();
        format!("{} ended ({status}): {last} [log: {}]", self.name, self.log.display())
    }
}

impl Drop for Managed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        drop(self.guard.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(name: &str) -> Managed {
        let log = std::env::temp_dir().join(format!("xtask-{name}-{}.log", std::process::id()));
        Managed::spawn(name, Command::new("sh").args(["-c", "echo last words; exec sleep 60"]), &log).unwrap()
    }

    fn runs(pid: u32) -> bool {
        Command::new("sh").args(["-c", r#"kill -0 "$0" 2>/dev/null"#, &pid.to_string()]).status().unwrap().success()
    }

    #[test]
    fn a_dropped_child_is_gone() {
        let child = sleeper("dropped");
        let pid = child.pid();
        assert!(runs(pid));
        drop(child);
        assert!(!runs(pid));
    }

    #[test]
    fn a_child_dies_when_nobody_drops_it() {
        let mut child = sleeper("orphan");
        // What the kernel does with our end of the pipe when this process dies.
        drop(child.guard.as_mut().unwrap().0.stdin.take());
        let status = child.child.wait().unwrap();
        assert_eq!(status.code(), None, "{status}");
    }

    #[test]
    fn a_tool_gives_its_output_and_its_end() {
        let output = run(Command::new("sh").args(["-c", "echo made; exit 3"]).stdout(Stdio::piped())).unwrap();
        assert_eq!((output.stdout.as_slice(), output.status.code()), (b"made\n".as_slice(), Some(3)));
        let error = run(&mut Command::new("no-such-tool")).unwrap_err().to_string();
        assert_eq!(error, "cannot run no-such-tool");
    }

    #[test]
    fn a_death_is_told_with_the_last_words() {
        let mut child = sleeper("told");
        let log = child.log().to_path_buf();
        child.wait_until(Duration::from_secs(5), || std::fs::read(&log).is_ok_and(|log| !log.is_empty())).unwrap();
        child.signal("TERM").unwrap();
        let error = child.wait_until(Duration::from_secs(5), || false).unwrap_err().to_string();
        assert!(error.contains("told ended") && error.contains("last words"), "{error}");
    }
}
