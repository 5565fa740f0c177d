//! A throw-away PostgreSQL for tests: made by `initdb`, reachable by a socket in a temporary directory alone, with
//! fsync on as in service, and gone with the process that started it, whatever ends that.
//!
//! `cargo xtask test` starts one for the whole run and names it in [`ENV`]. Without it the first test of a nextest run
//! starts one that lasts as long as the run, and under `cargo test` each test program starts its own.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// The socket directory of a cluster that runs already.
pub const ENV: &str = "COUNTERSIGN_TEST_POSTGRES";
/// The directory of the programs, where it is not found by itself.
pub const ENV_BIN: &str = "COUNTERSIGN_POSTGRES_BIN";

pub const MISSING: &str = "the PostgreSQL tests need its server programs; run: sudo apt-get install postgresql \
                           (or set COUNTERSIGN_POSTGRES_BIN to the directory of initdb)";

const USER: &str = "countersign";
const READY: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);

/// Waits for the end of those whom the server is for: of a pipe that only we hold, or of the process named. Then the
/// server goes and its directory with it.
const GUARD: &str = r#"trap '' HUP INT TERM
if [ -n "$1" ]; then while kill -0 "$1" 2>/dev/null; do sleep 0.3; done; else read -r _; fi
kill -QUIT "$(head -n 1 "$0/data/postmaster.pid")" 2>/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do rm -rf "$0" "$0.lock" 2>/dev/null && exit; sleep 0.3; done"#;

/// The directory of `initdb` and `postgres`, if they are on this machine.
pub fn find() -> Option<PathBuf> {
    let has = |dir: &Path| dir.join("initdb").is_file() && dir.join("postgres").is_file();
    if let Some(dir) = std::env::var_os(ENV_BIN).map(PathBuf::from) {
        return has(&dir).then_some(dir);
    }
    let on_path = std::env::var_os("PATH").and_then(|path| std::env::split_paths(&path).find(|dir| has(dir)));
    // Debian keeps them out of the PATH, a directory for each major version; elsewhere links lead to the real ones.
    let on_path = on_path.and_then(|dir| dir.join("initdb").canonicalize().ok()?.parent().map(Path::to_path_buf));
    on_path.or_else(|| {
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
        let dirs = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).filter(|dir| has(dir));
        dirs.max_by_key(|dir| dir.parent().and_then(|v| v.file_name()?.to_str()?.parse::<u32>().ok()))
    })
}

/// A server of one's own.
pub struct Cluster {
    bin: PathBuf,
    dir: PathBuf,
    server: Mutex<Child>,
    guard: Child,
}

impl Cluster {
    pub fn start() -> Result<Self> {
        let dir =
            tempfile::Builder::new().prefix("countersign-pg-").tempdir().context("no temporary directory")?.keep();
        Self::start_in(dir, None)
    }

    /// In that directory, which exists, until this is dropped or the process named has ended.
    fn start_in(dir: PathBuf, until: Option<u32>) -> Result<Self> {
        let bin = find().context(MISSING)?;
        let made = Self::prepare(&bin, &dir).and_then(|()| spawn(&bin, &dir));
        let server = match made {
            Ok(server) => server,
            Err(error) => {
                let _ = std::fs::remove_dir_all(&dir);
                return Err(error);
            }
        };
        let mut guard = Command::new("sh");
        guard
            .args(["-c", GUARD])
            .arg(&dir)
            .args(until.map(|pid| pid.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let guard = guard.process_group(0).spawn().context("cannot start sh")?;
        let cluster = Self { bin, dir, server: Mutex::new(server), guard };
        cluster.wait_until_ready()?;
        Ok(cluster)
    }

    fn prepare(bin: &Path, dir: &Path) -> Result<()> {
        // The server's user must get in; what is inside is for that user alone.
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755))?;
        let data = dir.join("data");
        let template = template(bin);
        if let Some(template) = template.as_ref().filter(|template| template.is_dir()) {
            return run(Command::new("cp").arg("-a").arg(template).arg(&data));
        }
        std::fs::create_dir(&data)?;
        if let Some((user, group)) = server_user() {
            std::os::unix::fs::chown(&data, Some(user), Some(group))?;
        }
        let mut initdb = unprivileged(&bin.join("initdb"), dir);
        initdb.arg("-D").arg(&data).args(["-U", USER, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]);
        run(&mut initdb)?;
        if let Some(template) = template {
            let fresh = template.with_extension(std::process::id().to_string());
            run(Command::new("cp").arg("-a").arg(&data).arg(&fresh))?;
            if std::fs::rename(&fresh, &template).is_err() {
                std::fs::remove_dir_all(&fresh)?; // another process was first
            }
        }
        Ok(())
    }

    /// Where clients find its socket.
    pub fn socket_dir(&self) -> &Path {
        &self.dir
    }

    /// A database of one's own in it.
    pub fn database(&self) -> Result<Database> {
        Database::create(&self.bin, &self.dir)
    }

    /// What `pg_ctl restart -m immediate` does: the server stops as in a crash and recovers at the start.
    pub fn restart_immediately(&self) -> Result<()> {
        self.crash()?;
        self.resume()
    }

    /// Stops the server as in a crash.
    pub fn crash(&self) -> Result<()> {
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        run(Command::new("sh").args(["-c", r#"kill -QUIT "$0""#, &server.id().to_string()]))?;
        server.wait()?;
        Ok(())
    }

    /// Starts it again.
    pub fn resume(&self) -> Result<()> {
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = spawn(&self.bin, &self.dir)?;
        self.wait_until_ready()
    }

    fn wait_until_ready(&self) -> Result<()> {
        let deadline = Instant::now() + READY;
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let pid = std::fs::read_to_string(self.dir.join("data/postmaster.pid")).unwrap_or_default();
            let own = pid.lines().next() == Some(&server.id().to_string());
            if own && pid.lines().nth(7).is_some_and(|state| state.trim() == "ready") {
                return Ok(());
            }
            let log = || std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
            if let Some(status) = server.try_wait()? {
                bail!("PostgreSQL ended ({status}): {}", log());
            }
            if Instant::now() > deadline {
                bail!("PostgreSQL is not ready after {} s: {}", READY.as_secs(), log());
            }
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.server.lock().unwrap_or_else(PoisonError::into_inner).wait();
        let _ = self.guard.wait();
    }
}

/// A database in the cluster that all tests share.
pub fn shared_database() -> Result<Database> {
    if let Some(dir) = of_nextest_run()? {
        return Database::create(&find().context(MISSING)?, &dir);
    }
    static OWN: OnceLock<Result<Cluster, String>> = OnceLock::new();
    if let Some(dir) = std::env::var_os(ENV).map(PathBuf::from) {
        return Database::create(&find().context(MISSING)?, &dir);
    }
    match OWN.get_or_init(|| Cluster::start().map_err(|error| format!("{error:#}"))) {
        Ok(cluster) => cluster.database(),
        Err(error) => bail!("{error}"),
    }
}

/// The socket directory of the cluster of this nextest run, which is started when this is the first to ask.
fn of_nextest_run() -> Result<Option<PathBuf>> {
    let Some(run) = std::env::var_os("NEXTEST_RUN_ID") else { return Ok(None) };
    let mut name = std::ffi::OsString::from("countersign-pg-");
    name.push(run);
    let dir = std::env::temp_dir().join(name);
    let lock = std::fs::File::create(dir.with_extension("lock"))?;
    lock.lock()?;
    if !dir.is_dir() {
        std::fs::create_dir(&dir)?;
        // nextest is the parent of every test's process. Never dropped: the guard ends it.
        std::mem::forget(Cluster::start_in(dir.clone(), Some(std::os::unix::process::parent_id()))?);
    }
    Ok(Some(dir))
}

/// It stays until the cluster goes: to drop one costs a checkpoint, which is most of what a test costs.
pub struct Database {
    dir: PathBuf,
    name: String,
}

impl Database {
    fn create(bin: &Path, dir: &Path) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        run(Command::new(bin.join("createdb")).arg("-h").arg(dir).args(["-U", USER, &name]))?;
        Ok(Self { dir: dir.to_owned(), name })
    }

    pub fn url(&self) -> String {
        format!("postgres://{USER}@localhost/{}?host={}", self.name, self.dir.display())
    }
}

fn spawn(bin: &Path, dir: &Path) -> Result<Child> {
    let log = std::fs::File::create(dir.join("log"))?;
    let mut command = unprivileged(&bin.join("postgres"), dir);
    if let Some((user, group)) = server_user() {
        std::os::unix::fs::chown(dir, Some(user), Some(group))?; // for the socket
    }
    command.arg("-D").arg(dir.join("data")).arg("-k").arg(dir);
    for setting in ["listen_addresses=", "fsync=on", "max_connections=200", "shared_buffers=32MB", "max_wal_size=256MB"]
    {
        command.args(["-c", setting]);
    }
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
    command.spawn().context("cannot start postgres")
}

/// PostgreSQL refuses to run as root.
fn unprivileged(program: &Path, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir);
    if let Some((user, group)) = server_user() {
        command.uid(user).gid(group);
    }
    command
}

/// As whom to run the server, when we are root.
fn server_user() -> Option<(u32, u32)> {
    let root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let of = |name: &str| {
        let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut ids = line.split(':').skip(2);
        Some((ids.next()?.parse().ok()?, ids.next()?.parse().ok()?))
    };
    root.then(|| of("postgres").or_else(|| of("nobody")).unwrap_or((65534, 65534)))
}

/// A cluster as `initdb` left it is kept beside what cargo built: a copy takes a tenth of the time.
fn template(bin: &Path) -> Option<PathBuf> {
    let version = Command::new(bin.join("initdb")).arg("--version").output().ok()?;
    let version = String::from_utf8(version.stdout).ok()?;
    let version = version.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let exe = std::env::current_exe().ok()?;
    let built = exe.ancestors().find(|dir| dir.file_name().is_some_and(|name| name == "debug" || name == "release"))?;
    let user = server_user().map_or("own".to_owned(), |(user, _)| user.to_string());
    Some(built.join(format!("postgres-template-{version}-{user}").replace('.', "_")))
}

fn run(command: &mut Command) -> Result<()> {
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {:?}", command.get_program()))?;
    if !output.status.success() {
        bail!("{:?}: {}", command.get_program(), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
