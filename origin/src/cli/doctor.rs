//! `countersign doctor`: one line per check, `ok`, `warn` or `fail`; exit code 1 when one failed.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use countersign_core::keys::KeyState;
use countersign_core::token::{self, Kind, Scratch, mint};
use countersign_store::Store;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::edge::needs_all_formats;
use super::{MASTER_KEY, Outcome, environment, open_store};
use crate::http::jwks;
use crate::key_files;
use crate::keyring::{Keyring, Pair};
use crate::passwords::{self, Passwords};
use crate::seal_budgets::SealBudgets;
use crate::settings::{Session, Settings};
use crate::{Clock as _, Entropy as _, SystemClock, SystemEntropy};

/// 2026-01-01: the clock of a machine that is before that has lost its time.
const BUILT_AFTER: u64 = 1_767_225_600;

#[derive(Default)]
struct Report {
    failed: bool,
}

impl Report {
    fn ok(&self, what: impl std::fmt::Display) {
        println!("ok    {what}");
    }

    fn warn(&self, what: impl std::fmt::Display) {
        println!("warn  {what}");
    }

    fn fail(&mut self, what: impl std::fmt::Display) {
        println!("fail  {what}");
        self.failed = true;
    }
}

pub(super) async fn run(config: &Path) -> Outcome {
    let mut report = Report::default();
    match Settings::load(config, environment()) {
        Err(error) => report.fail(error),
        Ok(settings) => {
            report.ok(format_args!("settings {}", config.display()));
            clock(&mut report);
            cookie(&report, &settings);
            master_key(&mut report, &settings);
            let files =
                [("database", settings.database.file()), ("database URL", settings.database_url_file.as_deref())];
            for (what, path) in files {
                if let Some(path) = path {
                    permissions(&mut report, what, path);
                }
            }
            key_files::wrong(&settings).into_iter().for_each(|error| report.fail(error));
            argon2(&mut report, &settings).await;
            store(&mut report, &settings).await;
        }
    }
    Ok(if report.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn master_key(report: &mut Report, settings: &Settings) {
    let file = settings.master_key_file.as_path();
    match super::master_key_of_environment() {
        Err(super::Failure(what)) => report.fail(what),
        Ok(None) => permissions(report, "master key", file),
        Ok(Some(_)) if file.exists() => report.warn(format_args!(
            "master key: {MASTER_KEY} goes before {}, which is not read; take one of them away",
            file.display()
        )),
        Ok(Some(_)) => report.ok(format_args!("master key: from {MASTER_KEY}")),
    }
}

fn clock(report: &mut Report) {
    match SystemClock.now().seconds().0 {
        now if now < BUILT_AFTER => report.fail("clock: it is before 2026; set it"),
        now => report.ok(format_args!("clock: {now} seconds since 1970")),
    }
}

fn cookie(report: &Report, settings: &Settings) {
    let mut names: Vec<&str> = settings.all_realms().map(|realm| realm.session.cookie_name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().for_each(|name| cookie_name(report, settings, name));
    let mut told: Vec<&[String]> = Vec::new();
    for session in settings.all_realms().map(|realm| &realm.session) {
        if !session.cookie_domains.is_empty() && !told.contains(&session.cookie_domains.as_slice()) {
            told.push(&session.cookie_domains);
            cookie_domain(report, session);
        }
    }
}

/// Which of the domains it is for; what browsers reach by another host is not for this origin to set.
fn cookie_domain(report: &Report, session: &Session) {
    let Some(domain) = &session.cookie.domain else { return };
    let others = session.cookie_domains.iter().filter(|other| *other != domain);
    let others: Vec<&str> = others.map(String::as_str).collect();
    if others.is_empty() {
        return report.ok(format_args!("cookie: for {domain} and all below it"));
    }
    report.ok(format_args!(
        "cookie: for {domain} and all below it, by the host of public_url; not used here: {}",
        others.join(", ")
    ));
}

fn cookie_name(report: &Report, settings: &Settings, name: &str) {
    let local = matches!(settings.public_url.url().host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match (settings.public_url.is_https(), name.starts_with("__Host-")) {
        (true, true) => report.ok(format_args!("cookie: {name}, Secure, host-only")),
        (true, false) => report.warn(format_args!(
            "cookie: {name} has no __Host- prefix, so a sibling host can set a cookie of this name"
        )),
        (false, _) if local => report.ok(format_args!("cookie: {name}, without Secure: public_url is local http")),
        (false, _) => report.warn(format_args!("cookie: {name} travels in the clear: public_url is http")),
    }
}

#[cfg(unix)]
fn permissions(report: &mut Report, what: &str, path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    match std::fs::metadata(path) {
        Err(error) => report.fail(format_args!("{what} {}: {error}", path.display())),
        Ok(metadata) => match metadata.permissions().mode() & 0o777 {
            mode if mode & 0o077 == 0 => report.ok(format_args!("{what} {}: mode {mode:04o}", path.display())),
            mode => report.fail(format_args!("{what} {}: mode {mode:04o} lets others in; chmod 600", path.display())),
        },
    }
}

#[cfg(not(unix))]
fn permissions(_: &mut Report, _: &str, _: &Path) {}

async fn argon2(report: &mut Report, settings: &Settings) {
    let hashed = passwords::hasher(&settings.argon2)
        .and_then(|argon2| passwords::hash(&argon2, b"countersign doctor", &SystemEntropy));
    let passwords = Passwords::new(&settings.argon2, &SystemEntropy);
    let (Ok(hashed), Ok(passwords)) = (hashed, passwords) else {
        return report.fail("argon2: no hash can be computed with these parameters");
    };
    let began = Instant::now();
    let verified =
        passwords.verify(Zeroizing::new("countersign doctor".to_owned()), Some(hashed), &SystemEntropy).await;
    let took = began.elapsed();
    let each = format!("argon2: {} ms for each password check", took.as_millis());
    match verified {
        Ok(checked) if checked.right && took > Duration::from_secs(1) => {
            report.warn(format_args!("{each}; logins will feel slow"))
        }
        Ok(checked) if checked.right => report.ok(each),
        _ => report.fail("argon2: a password does not verify against its own hash"),
    }
    let floor = settings.argon2.memory_kib >= 19456 && settings.argon2.iterations >= 2;
    if !floor && settings.argon2.memory_kib < 47104 {
        report.warn("argon2: weaker than OWASP's 19 MiB with 2 iterations or 46 MiB with 1");
    }
}

async fn store(report: &mut Report, settings: &Settings) {
    let store = match open_store(settings).await {
        Ok(store) => store,
        Err(super::Failure(what)) => return report.fail(what),
    };
    match settings.database.file() {
        Some(_) => report.ok("database opens, its schema is current, and the master key fits"),
        None => report.ok(format_args!("{} opens, its schema is current, and the master key fits", settings.database)),
    }
    match store.denylist().head().await {
        Ok(head) => {
            report.ok(format_args!("denylist log: {} entries, {} pruned", head.seq - head.floor_seq, head.floor_seq))
        }
        Err(error) => report.fail(format_args!("denylist log: {error}")),
    }
    match Keyring::load(&store, settings, &SealBudgets::few(settings.keys.max_seals)).await {
        Err(error) => report.fail(format_args!("keys: {error}")),
        Ok(keys) => {
            for name in settings.realm_names().filter(|name| !keys.realms.contains_key(*name)) {
                report.warn(format_args!("settings: there is no realm {name}, whose settings the file has"));
            }
            let mut pairs = vec![("feed".to_owned(), Kind::Heartbeat, &keys.feed)];
            for (realm, of) in &keys.realms {
                pairs.push((format!("{realm} session"), Kind::Session, &of.session));
                pairs.push((format!("{realm} journey"), Kind::Journey, &of.journey));
                pairs.push((format!("{realm} authId"), Kind::Journey, &of.auth_id));
            }
            for (what, kind, pair) in pairs {
                match self_test(pair, kind) {
                    Ok(()) => report.ok(format_args!("keys: {what} mints and verifies")),
                    Err(why) => report.fail(format_args!("keys: {what} {why}")),
                }
            }
            for old in keys.credentials.iter().filter(|old| old.keys_only_from.is_some()) {
                report.warn(format_args!(
                    "edge bundles of before the last change of the feed credential may be in use: {} is taken from them, soon \
                     for edge keys alone. The server's log names those that still come with it; make new ones, then \
                     `countersign keys retire {}`",
                    old.kid, old.kid
                ));
            }
            for old in keys.old_delivery_keys() {
                report.warn(format_args!(
                    "edge bundles of before the last change of the delivery key may be in use: they hang on {old}. The \
                     server's log names those that still come; make new ones, then `countersign keys retire {old}`"
                ));
            }
            if let Some((kid, realms)) = keys.shared_assertion_key() {
                report.warn(format_args!(
                    "assertions: edges of {} sign with the same key, {kid}, so that one of one realm can speak for users of \
                     another. The server gives each realm its own within a day; point applications to those below before \
                     (`countersign keys rotate --purpose assertion-signing --now` does not wait)",
                    realms.join(", ")
                ));
            }
            files(report, &store, settings).await;
            for realm in keys.realms.keys() {
                let (public, path) = (settings.public_url.origin(), jwks::path_of(realm));
                report.ok(format_args!("assertions of {realm}: verified with {public}{path}"));
                match keys.beyond_plain_edges(realm, settings) {
                    Ok(beyond) if !beyond.is_empty() => {
                        report.warn(format_args!("edge bundle of {realm}: {}", needs_all_formats(&beyond)));
                    }
                    _ => {}
                }
                match keys.edge_bundle(realm, settings).and_then(|_| keys.edge_could_mint(realm, settings)) {
                    Err(error) => report.fail(format_args!("edge bundle of {realm}: {error}")),
                    Ok(false) => report.ok(format_args!("edge bundle of {realm}: no key in it can mint sessions")),
                    Ok(true) => report.warn(format_args!(
                        "edge bundle of {realm}: every edge holds a key that can mint sessions (HS256, HS384 or HS512, or \
                         no signature)"
                    )),
                }
            }
        }
    }
    store.close().await;
}

/// The files that settings name for keys: closed to others, good for what they are for, and in use.
async fn files(report: &mut Report, store: &Store, settings: &Settings) {
    let rows = match store.keys().list().await {
        Ok(rows) => rows,
        Err(error) => return report.fail(format_args!("keys: {error}")),
    };
    for file in key_files::named(&rows, settings) {
        let (purpose, realm) = (file.place.0.name, file.place.1.as_deref().unwrap_or_default());
        let what = format!("{purpose} key of {realm}");
        let Ok(secret) = file.read() else { continue }; // it was said with the settings
        permissions(report, &what, file.path);
        let known = rows.iter().rfind(|key| file.is(key, &secret));
        match known.map(|key| (&key.kid, key.state)) {
            Some((kid, KeyState::Active)) => report.ok(format_args!("{what}: its file's is {kid}, which is in use")),
            Some((kid, KeyState::Standby)) => report.ok(format_args!("{what}: its file's is {kid}, in use soon")),
            Some((kid, state)) => report.warn(format_args!(
                "{what}: its file's is {kid}, which is {}: another is in use. Take the file out of the settings, or \
                 `countersign keys import` it",
                state.name()
            )),
            None => report.warn(format_args!("{what}: its file's is not here yet; a running server takes it up")),
        }
    }
}

fn self_test(pair: &Pair, kind: Kind) -> Result<(), String> {
    let claims = json!({"doctor": SystemClock.now().0});
    let minted = mint::mint(&claims, kind, &pair.minting, &mut |out: &mut [u8]| SystemEntropy.fill(out));
    let token = minted.map_err(|error| format!("does not mint: {error}"))?;
    match token::open::<Value>(token.as_bytes(), kind, &pair.verifying, &mut Scratch::default()) {
        Ok(opened) if *opened.claims() == claims => Ok(()),
        Ok(_) => Err("does not give back what it mints".to_owned()),
        Err(error) => Err(format!("does not verify what it mints: {error}")),
    }
}
