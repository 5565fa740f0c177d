use std::time::Instant;

use countersign_journey::host::{Identities as _, PasswordChange, PasswordCheck};
use countersign_store::{Attributes, IdentityStatus, NewIdentity, NewPassword};
use serde_json::json;

use super::{USER, check, object, services, user, word};
use crate::testing::{Origin, PASSWORD};

const LOCKOUT: &str = "[accountlockout]\nloginFailureLockoutMode = true\nloginFailureCount = 3\n\
                       loginFailureDuration = 10\nlockoutDuration = 5\nlockoutDurationMultiplier = 2\n\
                       lockoutWarnUserCount = 2\n";
const MINUTE: u64 = 60;

#[tokio::test]
async fn only_the_right_password_of_an_active_user_is_right() {
    let origin = Origin::new().await;
    let services = services(&origin);
    assert_eq!(check(&services, "demo", PASSWORD).await, "right");
    for (name, password) in
        [("demo", "x"), ("demo", ""), ("nobody", PASSWORD), ("", PASSWORD), ("gone", "x"), ("a\u{7}b", PASSWORD)]
    {
        assert_eq!(check(&services, name, password).await, "wrong", "{name:?} {password:?}");
    }
    assert_eq!(check(&services, &"x".repeat(300), PASSWORD).await, "wrong");
    assert_eq!(check(&services, "demo", &"x".repeat(2000)).await, "wrong");
    // Whoever knows the password may learn that the account is there.
    assert_eq!(check(&services, "gone", PASSWORD).await, "locked");
}

#[tokio::test]
async fn more_checks_than_may_wait_is_overload() {
    let origin = Origin::new().await;
    let services = services(&origin);
    let busy = origin.app.passwords.occupy();
    assert!(services.check_password("demo", PASSWORD).await.is_err());
    assert!(services.overloaded());
    drop(busy);
}

#[tokio::test]
async fn a_changed_password_ends_the_sessions_but_not_the_login() {
    let origin = Origin::new().await;
    let token = origin.log_in().await;
    let services = services(&origin);
    assert!(!services.change_password("demo", "x", "N3wPassw0rd").await.unwrap());
    assert!(!services.change_password("demo", PASSWORD, PASSWORD).await.unwrap());
    assert!(!services.change_password("demo", PASSWORD, "short").await.unwrap());
    assert!(!services.change_password("nobody", PASSWORD, "N3wPassw0rd").await.unwrap());
    assert!(origin.is_valid(&token).await);
    assert!(services.change_password("demo", PASSWORD, "N3wPassw0rd").await.unwrap());
    assert!(!origin.is_valid(&token).await);
    let head = origin.app.store.denylist().head().await.unwrap().seq;
    assert_eq!(services.renewed(), Some(head));
    assert_eq!(check(&services, "demo", "N3wPassw0rd").await, "right");
    assert_eq!(check(&services, "demo", PASSWORD).await, "wrong");
}

#[tokio::test]
async fn a_disabled_user_loses_the_sessions_and_may_be_enabled_again() {
    let origin = Origin::new().await;
    let token = origin.log_in().await;
    let services = services(&origin);
    assert!(services.set_active("demo", false).await.unwrap());
    assert!(!origin.is_valid(&token).await);
    assert_eq!(check(&services, "demo", PASSWORD).await, "locked");
    assert!(services.set_active("demo", true).await.unwrap());
    assert_eq!(check(&services, "demo", PASSWORD).await, "right");
    assert!(!services.set_active("nobody", true).await.unwrap());
}

#[tokio::test]
async fn passwords_age_and_are_not_taken_again() {
    let more = "[passwords]\nmax_age_days = 30\nexpiry_warning_days = 5\nhistory = 2\nforce_change_on_reset = true\n";
    let origin = Origin::with(more).await;
    let services = services(&origin);
    let change = async || match services.check_password("demo", PASSWORD).await.unwrap() {
        PasswordCheck::Right { change, .. } => Some(change),
        other => {
            assert_eq!(word(&other), "expired");
            None
        }
    };
    assert_eq!(change().await, Some(PasswordChange::None));
    origin.clock.advance(25 * 86400);
    assert_eq!(change().await, Some(PasswordChange::Offered));
    origin.clock.advance(5 * 86400);
    assert_eq!(change().await, None);
    // An expired one can still be changed by who knows it, but to none of the last two.
    assert!(services.change_password("demo", PASSWORD, "N3wPassw0rd").await.unwrap());
    let demo = user(&services, "demo").await;
    for (password, taken) in [(PASSWORD, false), ("N3wPassw0rd", false), ("Th1rdPassword", true), (PASSWORD, true)] {
        let patched = services.patch(USER, &demo, &object(json!({"password": password})), true).await.unwrap();
        assert_eq!(patched.is_ok(), taken, "{password}: {patched:?}");
    }
    assert_eq!(change().await, Some(PasswordChange::None));
    // Another has set it.
    let known = origin.app.store.identities().get("/alpha", "demo").await.unwrap().unwrap();
    let reset = NewPassword { hash: &known.password_hash, instead_of: None, reset: true, history: 2 };
    let now = origin.app.clock.now().seconds();
    origin.app.store.identities().change_password("/alpha", "demo", reset, now).await.unwrap();
    assert_eq!(change().await, Some(PasswordChange::Forced));
}

/// A right password is none, and forgets none: a session does.
#[tokio::test]
async fn a_right_password_alone_neither_fails_nor_forgives() {
    let origin = Origin::with(LOCKOUT).await;
    let wrong = async || check(&services(&origin), "demo", "x").await;
    let right = async || check(&services(&origin), "demo", PASSWORD).await;
    assert_eq!((wrong().await, wrong().await), ("wrong", "wrong"));
    for _ in 0..5 {
        assert_eq!(right().await, "right");
    }
    assert_eq!((wrong().await, right().await), ("wrong", "locked"));
    origin.clock.advance(5 * MINUTE);
    assert_eq!((wrong().await, wrong().await), ("wrong", "wrong"));
    services(&origin).forgive("demo").await;
    assert_eq!((wrong().await, wrong().await, right().await), ("wrong", "wrong", "right"));
}

/// S14: names that nobody has are counted, warned of and locked like those of users.
#[tokio::test]
async fn s14_a_lock_tells_nothing_and_lasts_longer_each_time() {
    let origin = Origin::with(LOCKOUT).await;
    for name in ["demo", "nobody"] {
        let services = services(&origin);
        assert_eq!(check(&services, name, "x").await, "wrong");
        assert_eq!(services.lockout_warning(), None);
        assert_eq!(check(&services, name, "x").await, "wrong");
        let warning = "Warning: You will be locked out after 1 more failure(s).";
        assert_eq!(services.lockout_warning().as_deref(), Some(warning), "{name}");
        assert_eq!(check(&services, name, "x").await, "wrong");
        // A login by other means lifts no lock.
        services.forgive(name).await;
        assert_eq!(check(&services, name, PASSWORD).await, "locked", "{name}");
    }
    let services = services(&origin);
    origin.clock.advance(5 * MINUTE - 1);
    assert_eq!(check(&services, "demo", PASSWORD).await, "locked");
    // What was tried in the meantime does not count, and the next lock is twice as long.
    origin.clock.advance(1);
    for expected in ["wrong", "wrong", "wrong", "locked"] {
        assert_eq!(check(&services, "demo", "x").await, expected);
    }
    origin.clock.advance(10 * MINUTE - 1);
    assert_eq!(check(&services, "demo", PASSWORD).await, "locked");
    origin.clock.advance(1);
    assert_eq!(check(&services, "demo", PASSWORD).await, "right");
    // A success forgets all of it.
    services.forgive("demo").await;
    for expected in ["wrong", "wrong", "wrong", "locked"] {
        assert_eq!(check(&services, "demo", "x").await, expected);
    }
    origin.clock.advance(5 * MINUTE);
    assert_eq!(check(&services, "demo", PASSWORD).await, "right");
    services.forgive("demo").await;
    let attempts = origin.app.store.attempts().get("/alpha", "demo", super::super::LOCKOUT).await.unwrap();
    assert_eq!(attempts.failures, 0);
}

/// However a name is spelled, it is one: also nobody's.
#[tokio::test]
async fn another_spelling_dodges_neither_a_lock_nor_a_limit() {
    let origin = Origin::with(&format!("{LOCKOUT}[rate_limits]\nuser_failures = 9\nuser_seconds = 60\n")).await;
    for spellings in [["demo", "DEMO", "ｄemo"], ["nobody", "NOBODY", "Nobody"]] {
        let services = services(&origin);
        for name in spellings {
            assert_eq!(check(&services, name, "x").await, "wrong", "{name}");
        }
        for name in spellings {
            assert_eq!(check(&services, name, PASSWORD).await, "locked", "{name}");
        }
        for name in spellings {
            assert_eq!(check(&services, name, PASSWORD).await, "locked", "{name}");
        }
        for name in spellings {
            assert!(services.check_password(name, PASSWORD).await.is_err(), "{name}");
        }
    }
}

#[tokio::test]
async fn failures_out_of_the_window_do_not_lock() {
    let origin = Origin::with(LOCKOUT).await;
    let services = services(&origin);
    for _ in 0..10 {
        assert_eq!(check(&services, "demo", "x").await, "wrong");
        assert_eq!(check(&services, "demo", "x").await, "wrong");
        origin.clock.advance(10 * MINUTE + 1);
    }
    assert_eq!(check(&services, "demo", PASSWORD).await, "right");
}

#[tokio::test]
async fn a_lock_without_an_end_is_taken_away_by_enabling_the_user() {
    let origin = Origin::with(&LOCKOUT.replace("lockoutDuration = 5", "lockoutDuration = 0")).await;
    let services = services(&origin);
    for expected in ["wrong", "wrong", "wrong", "locked"] {
        assert_eq!(check(&services, "demo", "x").await, expected);
    }
    origin.clock.advance(400 * 86400);
    crate::prune::rows(&origin.app).await;
    assert_eq!(check(&services, "demo", PASSWORD).await, "locked");
    assert!(services.set_active("demo", true).await.unwrap());
    assert_eq!(check(&services, "demo", PASSWORD).await, "right");
}

/// However many come at once, no more are checked than may fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s21_parallel_guesses_are_no_more_than_others() {
    let origin = Origin::with(LOCKOUT).await;
    let app = &origin.app;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..30 {
        let app = std::sync::Arc::clone(app);
        tasks.spawn(async move {
            let services = super::Services::new(&app, "/alpha");
            word(&services.check_password("demo", "x").await.unwrap())
        });
    }
    let outcomes = tasks.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "wrong").count(), 3);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "locked").count(), 27);
}

#[tokio::test]
async fn s21_beyond_the_rate_nothing_is_checked_for_anybody() {
    let origin = Origin::with("[rate_limits]\nuser_failures = 4\nuser_seconds = 60\n").await;
    for name in ["demo", "nobody"] {
        for _ in 0..4 {
            let services = services(&origin);
            assert_eq!(check(&services, name, "x").await, "wrong");
            assert!(services.quota().unwrap().allowed);
        }
        let services = services(&origin);
        assert!(services.check_password(name, PASSWORD).await.is_err(), "{name}");
        let quota = services.quota().unwrap();
        assert_eq!((quota.allowed, quota.reset_seconds), (false, 15));
    }
    origin.clock.advance(15);
    let services = services(&origin);
    for _ in 0..10 {
        assert_eq!(check(&services, "demo", PASSWORD).await, "right", "a right password costs nothing");
    }
}

/// What came of so many guesses of one user at once: right, wrong, and refused.
async fn at_once(origin: &Origin, guesses: &[&'static str]) -> [usize; 3] {
    let mut tasks = tokio::task::JoinSet::new();
    for guess in guesses.iter().copied() {
        let app = std::sync::Arc::clone(&origin.app);
        tasks.spawn(async move {
            let services = super::Services::new(&app, "/alpha");
            let checked = services.check_password("demo", guess).await;
            assert!(!services.overloaded());
            checked.map_or("refused", |check| word(&check))
        });
    }
    let all = tasks.join_all().await;
    ["right", "wrong", "refused"].map(|what| all.iter().filter(|outcome| **outcome == what).count())
}

/// Those beyond the number that may be wrong wait for the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn right_passwords_are_not_refused_however_many_come_at_once() {
    let origin = Origin::with("[rate_limits]\nuser_failures = 2\nuser_seconds = 60\n").await;
    assert_eq!(at_once(&origin, &[PASSWORD; 30]).await, [30, 0, 0]);
    assert_eq!(at_once(&origin, &["x"; 2]).await, [0, 2, 0], "and have cost nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s21_parallel_guesses_beyond_the_rate_are_not_checked() {
    let origin = Origin::with("[rate_limits]\nuser_failures = 4\nuser_seconds = 60\n").await;
    assert_eq!(at_once(&origin, &["x"; 30]).await, [0, 4, 26]);
    // As many as have come back, whatever comes with them.
    origin.clock.advance(30);
    let mixed: Vec<&'static str> = [PASSWORD, "x"].repeat(15);
    let [_, wrong, _] = at_once(&origin, &mixed).await;
    assert_eq!(wrong, 2);
}

/// An unknown name, a wrong password and a locked name are checked against something of the same cost.
#[tokio::test]
async fn s14_time_does_not_tell_who_exists() {
    let origin = Origin::at("http://localhost:8787", "").await;
    let services = services(&origin);
    let timed = async |name: &str| {
        let mut times = Vec::new();
        for _ in 0..15 {
            let began = Instant::now();
            assert_eq!(check(&services, name, "x").await, "wrong");
            times.push(began.elapsed().as_micros());
        }
        times.sort_unstable();
        times[times.len() / 2]
    };
    // Loose, since the test's hash is cheap and the machine is shared: without the dummy it is a tenth.
    let (known, unknown) = (timed("demo").await, timed("nobody").await);
    assert!(known < unknown * 5 && unknown < known * 5, "{known} µs and {unknown} µs");
}

#[tokio::test]
async fn a_hash_of_another_system_becomes_ours_at_the_next_login() {
    let origin = Origin::new().await;
    let (services, identities) = (services(&origin), origin.app.store.identities());
    let none = Attributes::new();
    for (username, hash, password) in [
        ("bcrypt", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"),
        ("pbkdf2", "pbkdf2_sha256$1000$saltysalt$ogyELkenhssjo9YzB+hLx2dedTg0guGJUM+KVU08H9I=", "correct horse"),
        ("ssha", "{SSHA}TUJSOZXEpsO0ugaXv1z4WCS+DMwAAQIDBAUGBw==", "correct horse"),
    ] {
        let kept = crate::password_schemes::kept(hash).unwrap();
        let status = IdentityStatus::Active;
        let new = NewIdentity { realm: "/alpha", username, password_hash: &kept, status, attributes: &none };
        identities.create(new, origin.app.clock.now().seconds()).await.unwrap();
        assert_eq!(check(&services, username, "x").await, "wrong");
        let still = identities.get("/alpha", username).await.unwrap().unwrap().password_hash;
        assert_eq!(still, kept);
        assert_eq!(check(&services, username, password).await, "right", "{username}");
        let renewed = identities.get("/alpha", username).await.unwrap().unwrap().password_hash;
        assert!(renewed.starts_with("$argon2id$"), "{renewed}");
        assert_eq!(check(&services, username, password).await, "right", "{username} again");
    }
}
