//! Takes up changes of the settings file while the server runs: once a second it looks whether the file is another one,
//! and at once on SIGHUP. What is wrong stays out, as a whole; the log says where.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use countersign_store::AuditEvent;
use serde_json::json;

use crate::app::{App, AppError};
use crate::background::{Complaint, every};
use crate::key_files;
use crate::keyring::KeyringError;
use crate::settings::{Settings, SettingsError};

const EVERY: Duration = Duration::from_secs(1);

/// Most changed settings that one line of the audit names.
const MAX_TOLD: usize = 32;

/// By which a file is taken for another one. Editors write in place or rename, and both show.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

impl Stamp {
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            modified: metadata.modified().ok(),
            length: metadata.len(),
            #[cfg(unix)]
            inode: std::os::unix::fs::MetadataExt::ino(&metadata),
            #[cfg(not(unix))]
            inode: 0,
        })
    }
}

pub(crate) struct Reload<L> {
    path: PathBuf,
    load: L,
    seen: Option<Stamp>,
    /// What was wrong is not in this file, and may be mended without a change of it.
    retry: bool,
    complaint: Complaint<AppError>,
}

impl<L: Fn(&Path) -> Result<Settings, SettingsError>> Reload<L> {
    /// `load` reads the settings, with what overrides them.
    pub(crate) fn new(path: PathBuf, load: L) -> Self {
        let seen = Stamp::of(&path);
        Self { path, load, seen, retry: false, complaint: Complaint::default() }
    }

    /// Looks at the file, and takes it up when it is another one than at the last look, or when `forced`.
    pub(crate) async fn once(&mut self, app: &App, forced: bool) -> Result<(), AppError> {
        let stamp = Stamp::of(&self.path);
        let is_new = stamp != self.seen || forced;
        if !is_new && !self.retry {
            return Ok(());
        }
        if is_new {
            self.complaint = Complaint::default(); // said once of each file
        }
        // Before it is read: what is written meanwhile is seen at the next look.
        self.seen = stamp;
        let outcome = self.take(app).await;
        if let Some(error) = self.complaint.news(outcome.clone()) {
            tracing::error!(%error, "the settings were not taken; those of before stay in force");
        }
        outcome
    }

    async fn take(&mut self, app: &App) -> Result<(), AppError> {
        let settings = (self.load)(&self.path)?;
        self.retry = true;
        // Files may be on a disk that is away, and nobody else is to wait for it.
        let checked = tokio::task::spawn_blocking(move || key_files::check(&settings).map(|()| settings)).await;
        let settings = checked.map_err(|_| AppError::from(KeyringError::Planning))??;
        let (later, changed) = (app.settings().needing_a_start(&settings), app.settings().changed(&settings));
        app.take_settings(settings).await?;
        self.retry = false;
        if !later.is_empty() {
            tracing::warn!(settings = later.join(", "), "these settings take effect at the next start");
        }
        tracing::info!(path = %self.path.display(), changed = changed.join(", "), "the settings were taken");
        note(app, &changed).await;
        Ok(())
    }
}

/// Tells the audit. Who wrote the file, nobody here knows.
async fn note(app: &App, changed: &[String]) {
    if changed.is_empty() {
        return;
    }
    // A file may be 1 MiB of realms, a line of the audit 16 KiB.
    let (shown, more) = changed.split_at(changed.len().min(MAX_TOLD));
    let detail =
        json!({"objectId": "settings", "operation": "UPDATE", "changedFields": shown, "moreFields": more.len()});
    let event = AuditEvent::config_change(app.clock.now().seconds(), "", "settings file", detail);
    if let Err(error) = app.store.audit().append(&[event]).await {
        tracing::warn!(%error, "the change of the settings is not in the audit");
    }
}

/// `seen` is of the file before the settings in force were read: what is written between that and the first look
/// counts.
pub(crate) async fn run(app: Arc<App>, path: PathBuf, seen: Option<Stamp>, environment: Vec<(String, String)>) {
    let load = |path: &Path| Settings::load(path, environment.clone().into_iter());
    let mut reload = Reload { seen, ..Reload::new(path, load) };
    let mut ticks = every(EVERY);
    let mut hangup = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()) {
        Ok(hangup) => hangup,
        Err(error) => return tracing::error!(%error, "changes of the settings are not taken up"),
    };
    loop {
        let forced = tokio::select! {
            _ = ticks.tick() => false,
            _ = hangup.recv() => true,
        };
        drop(reload.once(&app, forced).await); // it has said what is wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{COOKIE, Origin};

    const HEAD: &str = "[server]\npublic_url = \"http://localhost:8787\"\n";

    #[tokio::test]
    async fn a_changed_file_is_taken_and_a_bad_one_is_not() {
        let origin = Origin::new().await;
        let path = origin.dir().join("countersign.toml");
        let mut reload = Reload::new(path.clone(), |path: &Path| Settings::load(path, std::iter::empty()));
        let lease = || origin.app.settings().denylist.lease_ms;
        reload.once(&origin.app, false).await.unwrap();
        assert_eq!(lease(), 10_000);

        std::fs::write(&path, format!("{HEAD}[denylist]\nprofile = \"strict\"\n[session]\nmax_idle_minutes = 7\n"))
            .unwrap();
        reload.once(&origin.app, false).await.unwrap();
        assert_eq!((lease(), origin.app.settings().realm("/alpha").session.max_idle_seconds), (2000, Some(420)));
        // A key, a value, a rule, and nothing at all.
        for bad in
            ["[denylist]\nprofil = \"strict\"\n", "[denylist]\nlease_ms = \"x\"\n", "[denylist]\nlease_ms = 100\n"]
        {
            std::fs::write(&path, format!("{HEAD}{bad}")).unwrap();
            reload.once(&origin.app, false).await.unwrap_err();
            reload.once(&origin.app, false).await.unwrap();
            assert_eq!(lease(), 2000, "{bad}");
        }
        std::fs::remove_file(&path).unwrap();
        reload.once(&origin.app, false).await.unwrap_err();
        assert_eq!(lease(), 2000);
        // What was taken is in the audit, and nothing else.
        let lines = async || {
            let filter = countersign_store::AuditFilter { topic: Some("config"), ..Default::default() };
            let lines = origin.app.store.audit().find(filter, 100).await.unwrap();
            let of_settings = lines.into_iter().filter(|line| line.event.detail["objectId"] == "settings");
            of_settings.map(|line| (line.event.actor, line.event.detail["changedFields"].clone())).collect::<Vec<_>>()
        };
        assert_eq!(lines().await, [("settings file".to_owned(), json!(["argon2", "session", "denylist"]))]);
        std::fs::write(&path, HEAD).unwrap();
        reload.once(&origin.app, true).await.unwrap();
        assert_eq!((lease(), lines().await.len()), (10_000, 2));
        reload.once(&origin.app, true).await.unwrap();
        assert_eq!(lines().await.len(), 2);
        std::fs::write(&path, format!("{HEAD}[realm.\"/alpha\".journey]\nmax_duration_minutes = 7\n")).unwrap();
        reload.once(&origin.app, true).await.unwrap();
        assert_eq!(lines().await[0].1, json!(["realm.\"/alpha\".journey"]));
    }

    /// Settings that name a weak secret are not taken, of whichever realm, until the file has a good one.
    #[tokio::test]
    async fn settings_with_a_weak_secret_are_not_taken() {
        let origin = Origin::new().await;
        let path = origin.dir().join("countersign.toml");
        let mut reload = Reload::new(path.clone(), |path: &Path| Settings::load(path, std::iter::empty()));
        let secret = origin.dir().join("secret.b64");
        let lease = || origin.app.settings().denylist.lease_ms;
        for (section, setting, types, good) in [
            ("session", "statelessSigningHmacSecret", "statelessSigningType = \"HS256\"", 32),
            ("realm.\"/alpha\".session", "statelessSigningHmacSecret", "statelessSigningType = \"HS512\"", 64),
            ("session", "statelessEncryptionAesKey", "statelessEncryptionType = \"DIRECT\"", 32),
            (
                "realm.\"/beta\".session",
                "statelessEncryptionAesKey",
                "statelessEncryptionType = \"AES_KEYWRAP\"\naes_keywrap_bits = 128",
                16,
            ),
        ] {
            let text = format!(
                "{HEAD}[denylist]\nlease_ms = 9000\n[{section}]\n{types}\n{setting} = {{ file = \"secret.b64\" }}\n"
            );
            std::fs::write(&path, text).unwrap();
            let key: Vec<u8> = (1..=good).collect();
            let encode = countersign_core::encoding::encode;
            for bad in [None, Some(encode(&key[1..])), Some(encode(&vec![0; key.len()])), Some("not base64".to_owned())]
            {
                match &bad {
                    Some(bad) => std::fs::write(&secret, bad).unwrap(),
                    None => drop(std::fs::remove_file(&secret)),
                }
                let told = reload.once(&origin.app, false).await.unwrap_err().to_string();
                assert!(told.starts_with(&format!("setting {section}.{setting} is refused: ")), "{told}");
                assert!(told.contains("secret.b64: ") && lease() == 10_000, "{told}");
            }
            // The same settings, as soon as the file is mended.
            std::fs::write(&secret, encode(&key)).unwrap();
            reload.once(&origin.app, false).await.unwrap();
            assert_eq!(lease(), 9000, "{section}");
            std::fs::write(&path, HEAD).unwrap();
            reload.once(&origin.app, true).await.unwrap();
        }
    }

    /// R35: edges keep the lease they were given; what waits for the slowest of them waits for that one.
    #[tokio::test]
    async fn r35_a_lease_that_was_given_is_counted_with() {
        let origin = Origin::new().await;
        let settings = |lease: u64| {
            let path = origin.dir().join("other.toml");
            std::fs::write(&path, format!("{HEAD}[denylist]\npoll_ms = 500\nlease_ms = {lease}\n")).unwrap();
            Settings::load(&path, std::iter::empty()).unwrap()
        };
        origin.app.take_settings(settings(2000)).await.unwrap();
        assert_eq!((origin.app.settings().denylist.lease_ms, origin.app.longest_lease_ms()), (2000, 10_000));
        assert_eq!(origin.app.times().propagation, 20);
        origin.clock.advance(20);
        assert_eq!(origin.app.longest_lease_ms(), 2000);
        assert_eq!(origin.app.times().propagation, 4);
        origin.app.take_settings(settings(60_000)).await.unwrap();
        assert_eq!((origin.app.longest_lease_ms(), origin.app.times().propagation), (60_000, 120));
    }

    #[tokio::test]
    async fn a_realm_gets_another_cookie_without_a_restart() {
        let origin = Origin::new().await;
        let path = origin.dir().join("countersign.toml");
        let mut reload = Reload::new(path.clone(), |path: &Path| Settings::load(path, std::iter::empty()));
        let token = origin.log_in().await;
        std::fs::write(&path, format!("{HEAD}[realm.\"/alpha\".session]\ncookie_name = \"other\"\n")).unwrap();
        reload.once(&origin.app, false).await.unwrap();
        let info = format!("{}/sessions?_action=getSessionInfo", crate::testing::ALPHA);
        assert_eq!(origin.post(&info, &[(COOKIE, &token)], "").await.status, 401);
        assert_eq!(origin.post(&info, &[("other", &token)], "").await.status, 200);
    }
}
