//! Ends sessions in the large: all of a user, a realm, a key. Each is one line of the denylist log that says who and
//! why; server-side sessions go with it.

use countersign_core::denylist::fingerprint::DenylistKey;
use countersign_core::denylist::{Entry, Fingerprint, Kind, Slot};
use countersign_core::session::SessionId;
use countersign_core::time::UnixSeconds;
use countersign_store::denylist::{Appended, NewEntry};
use countersign_store::{Store, StoreError};

use crate::settings::Settings;

/// Whose sessions end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Scope<'a> {
    User { realm: &'a str, username: &'a str },
    Realm(&'a str),
    Key { realm: Option<&'a str>, kid: &'a str },
}

/// Who ends them, and why.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order<'a> {
    pub(crate) actor: &'a str,
    pub(crate) reason: &'a str,
}

/// The latest time at which any session made so far ends: by what was counted when tokens were made, and by the longest
/// session of the settings for what another origin has made in the last second.
pub(crate) async fn latest_end(
    store: &Store,
    settings: &Settings,
    now: UnixSeconds,
) -> Result<UnixSeconds, StoreError> {
    let longest = settings.all_realms().map(|realm| realm.session.max_seconds).max().unwrap_or_default();
    let live = store.keys().live_tokens(now).await?;
    let counted = live.values().map(|live| live.until).max();
    Ok(counted.map_or(now.plus(longest), |counted| counted.max(now.plus(longest))))
}

/// When this returns `Ok`, the end is on the disk. Repeating it is harmless.
pub(crate) async fn end(
    store: &Store,
    denylist: &DenylistKey,
    settings: &Settings,
    scope: Scope<'_>,
    order: Order<'_>,
    now: UnixSeconds,
) -> Result<Appended, StoreError> {
    if let Scope::User { realm, username } = scope
        && let Some(known) = store.identities().named(realm, username).await?
        && known.username != username
    {
        // Sessions have the name as its user has it. The other spelling ends as well: an agent may be called so, or a
        // user who was deleted.
        let known = Scope::User { realm, username: &known.username };
        end_exactly(store, denylist, settings, known, order, now).await?;
    }
    end_exactly(store, denylist, settings, scope, order, now).await
}

async fn end_exactly(
    store: &Store,
    denylist: &DenylistKey,
    settings: &Settings,
    scope: Scope<'_>,
    order: Order<'_>,
    now: UnixSeconds,
) -> Result<Appended, StoreError> {
    let slot = Slot::of(latest_end(store, settings, now).await?);
    let new = |kind, realm, fingerprint: Fingerprint| {
        NewEntry::new(Entry { kind, slot, fingerprint }, realm, order.reason, order.actor)
    };
    let new = match scope {
        Scope::User { realm, username } => {
            new(Kind::User, realm, denylist.fingerprint(Kind::User, realm, username.as_bytes())).username(username)
        }
        Scope::Realm(realm) => new(Kind::Realm, realm, denylist.fingerprint(Kind::Realm, realm, &[])),
        Scope::Key { realm, kid } => {
            new(Kind::Key, realm.unwrap_or_default(), denylist.fingerprint(Kind::Key, "", kid.as_bytes())).object(kid)
        }
    };
    let appended = store.denylist().append(new, now).await?;
    // After the watermark, so that a login in between is not spared by either.
    let rows = match scope {
        Scope::User { realm, username } => store.sessions().end_user(realm, username).await?,
        Scope::Realm(realm) => store.sessions().end_realm(realm).await?,
        Scope::Key { .. } => 0, // references are made with no key
    };
    tracing::info!(seq = appended.seq, rows, actor = order.actor, reason = order.reason, "sessions were ended");
    Ok(appended)
}

/// Most lines that [`end_family`] writes for one session whose end is not known.
pub(crate) const MAX_SLOTS: u64 = 256;

/// Ends one session by its handle. A token is listed by the quarter of an hour in which its session ends, which a
/// handle does not say: each that may be meant gets a line. How many.
pub(crate) async fn end_family(
    store: &Store,
    denylist: &DenylistKey,
    (realm, sid): (&str, SessionId),
    ends: (UnixSeconds, UnixSeconds),
    order: Order<'_>,
    now: UnixSeconds,
) -> Result<u64, StoreError> {
    let (first, last) = (u64::from(Slot::of(ends.0).0), u64::from(Slot::of(ends.1).0));
    if last.saturating_sub(first) >= MAX_SLOTS {
        return Err(StoreError::Invalid { what: "end of the session", rule: "is too uncertain; say when it ends" });
    }
    let fingerprint = denylist.fingerprint(Kind::Family, realm, &sid.0);
    let mut lines = 0;
    for slot in first..=last {
        let slot = Slot(u32::try_from(slot).unwrap_or(u32::MAX));
        let entry = Entry { kind: Kind::Family, slot, fingerprint };
        let new = NewEntry::new(entry, realm, order.reason, order.actor).object(&sid.to_string());
        store.denylist().append(new, now).await?;
        lines += 1;
    }
    store.sessions().end(sid).await?;
    Ok(lines)
}
