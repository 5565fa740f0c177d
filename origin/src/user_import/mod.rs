//! Users from a file: read record by record, so that the file may be of any length; all are looked at before the first
//! is written.

mod csv;
mod jsonl;
mod ldif;
mod record;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io::BufRead;

use argon2::Argon2;
use countersign_core::time::UnixSeconds;
use countersign_store::{Attributes, IdentityStatus, NewIdentity, Store, StoreError, name_key, normal_name};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

pub(crate) use record::Record;

use crate::ambient::{Entropy, random};
use crate::journey::services::password_refusal;
use crate::passwords::{self, MAX_PASSWORD};
use crate::settings::PasswordPolicy;

/// Longest line, and longest record of several lines.
const MAX_LINE: usize = 64 * 1024;
/// Users that are written at once.
const BATCH: usize = 200;
/// Most records of one file: their names are kept in mind, to find those that come twice.
const MAX_RECORDS: u64 = 10_000_000;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    /// With a header line.
    Csv,
    JsonLines,
    Ldif,
}

/// A record of the file, with the line it begins on; or why it is none.
pub(crate) type Next = Option<(u64, Result<Record, String>)>;

/// What reads a file.
pub(crate) trait Records {
    /// `Err` when there is no going on.
    fn next(&mut self) -> Result<Next, String>;
}

pub(crate) fn records<'a>(format: Format, from: impl BufRead + 'a) -> Result<Box<dyn Records + 'a>, String> {
    Ok(match format {
        Format::Csv => Box::new(csv::Csv::new(from)?),
        Format::JsonLines => Box::new(jsonl::JsonLines::new(from)),
        Format::Ldif => Box::new(ldif::Ldif::new(from)),
    })
}

/// What came of a file.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Counts {
    pub(crate) taken: u64,
    pub(crate) refused: u64,
}

/// Where users go to.
pub(crate) struct Target<'a> {
    pub(crate) store: &'a Store,
    pub(crate) realm: &'a str,
    pub(crate) argon2: &'a Argon2<'static>,
    pub(crate) entropy: &'a dyn Entropy,
    pub(crate) now: UnixSeconds,
    /// What passwords in clear are held to; a hash does not say what it is of.
    pub(crate) policy: &'a PasswordPolicy,
    /// What a user must be like beside the store's rules; says what is wrong.
    pub(crate) fits: &'a dyn Fn(&NewIdentity<'_>) -> Result<(), String>,
}

/// A user whose record is in order.
struct User {
    username: String,
    secret: Secret,
    status: IdentityStatus,
    attributes: Attributes,
}

enum Secret {
    Hash(String),
    Clear(Zeroizing<String>),
    /// There is none: the user sets one by a journey.
    None,
}

/// Stands for a hash that is made later.
const PLACEHOLDER: &str = "$";

impl User {
    fn of(record: Record) -> Result<Self, String> {
        let Record { username, hash, password, status, attributes } = record;
        let username = normal_name(&username.ok_or("there is no user name")?).into_owned();
        let secret = match (hash, password) {
            (Some(hash), None) => {
                Secret::Hash(crate::password_schemes::kept(&hash).map_err(|error| error.to_string())?)
            }
            (None, Some(password)) if password.is_empty() => return Err("the password is empty".to_owned()),
            (None, Some(password)) if password.len() > MAX_PASSWORD => {
                return Err(format!("the password has more than {MAX_PASSWORD} bytes"));
            }
            (None, Some(password)) => Secret::Clear(password),
            (None, None) => Secret::None,
            (Some(_), Some(_)) => return Err("there are both a password and a hash of one".to_owned()),
        };
        Ok(Self { username, secret, status: status.unwrap_or(IdentityStatus::Active), attributes })
    }

    fn identity<'a>(&'a self, realm: &'a str, password_hash: &'a str) -> NewIdentity<'a> {
        NewIdentity {
            realm,
            username: &self.username,
            password_hash,
            status: self.status,
            attributes: &self.attributes,
        }
    }

    fn hash(&self, target: &Target<'_>) -> Result<String, String> {
        let hashed =
            |secret: &[u8]| passwords::hash(target.argon2, secret, target.entropy).map_err(|error| error.to_string());
        match &self.secret {
            Secret::Hash(hash) => Ok(hash.clone()),
            Secret::Clear(password) => hashed(password.as_bytes()),
            Secret::None => hashed(&random::<32>(target.entropy)),
        }
    }
}

/// Finds names that come twice in one file.
#[derive(Default)]
struct Seen(HashSet<[u8; 16]>);

impl Seen {
    fn is_new(&mut self, username: &str) -> bool {
        let hash: [u8; 32] = Sha256::digest(name_key(username)).into();
        let mut half = [0; 16];
        half.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        self.0.insert(half)
    }
}

/// The next record that may become a user, as far as can be told without writing it; all others are told of.
async fn next(
    records: &mut dyn Records,
    seen: &mut Seen,
    target: &Target<'_>,
    counts: &mut Counts,
    refused: &mut dyn FnMut(u64, &str),
) -> Result<Option<(u64, User)>, String> {
    while let Some((line, record)) = records.next()? {
        if counts.taken + counts.refused >= MAX_RECORDS {
            return Err(format!("line {line}: a file may have {MAX_RECORDS} records"));
        }
        let checked = match record.and_then(User::of) {
            Ok(user) => check(&user, seen, target).await?.map(|()| user),
            Err(why) => Err(why),
        };
        match checked {
            Ok(user) => {
                counts.taken += 1;
                return Ok(Some((line, user)));
            }
            Err(why) => {
                counts.refused += 1;
                refused(line, &why);
            }
        }
    }
    Ok(None)
}

async fn check(user: &User, seen: &mut Seen, target: &Target<'_>) -> Result<Result<(), String>, String> {
    let hash = match &user.secret {
        Secret::Hash(hash) => hash,
        Secret::Clear(_) | Secret::None => PLACEHOLDER,
    };
    let new = user.identity(target.realm, hash);
    if let Err(error) = new.check() {
        return Ok(Err(error.to_string()));
    }
    if let Secret::Clear(password) = &user.secret
        && let Some(why) = password_refusal(password, &user.username, target.policy)
    {
        return Ok(Err(why));
    }
    if let Err(why) = (target.fits)(&new) {
        return Ok(Err(why));
    }
    if !seen.is_new(&user.username) {
        return Ok(Err(format!("{:?} comes twice in this file", user.username)));
    }
    let known =
        target.store.identities().named(target.realm, &user.username).await.map_err(|error| error.to_string())?;
    Ok(if known.is_some() { Err(format!("{:?} exists already", user.username)) } else { Ok(()) })
}

/// Looks at all records and writes none.
pub(crate) async fn examine(
    records: &mut dyn Records,
    target: &Target<'_>,
    refused: &mut dyn FnMut(u64, &str),
) -> Result<Counts, String> {
    let (mut counts, mut seen) = (Counts::default(), Seen::default());
    while next(records, &mut seen, target, &mut counts, refused).await?.is_some() {}
    Ok(counts)
}

/// Writes what can be taken. Each user is written whole or not at all; one that can no longer be taken, because
/// somebody made it meanwhile, is told of.
pub(crate) async fn import(
    records: &mut dyn Records,
    target: &Target<'_>,
    refused: &mut dyn FnMut(u64, &str),
) -> Result<Counts, String> {
    let (mut counts, mut seen) = (Counts::default(), Seen::default());
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let user = next(records, &mut seen, target, &mut counts, refused).await?;
        let last = user.is_none();
        batch.extend(user);
        if batch.len() == BATCH || last {
            write(std::mem::take(&mut batch), target, &mut counts, refused).await?;
        }
        if last {
            return Ok(counts);
        }
    }
}

async fn write(
    batch: Vec<(u64, User)>,
    target: &Target<'_>,
    counts: &mut Counts,
    refused: &mut dyn FnMut(u64, &str),
) -> Result<(), String> {
    let mut hashed = Vec::with_capacity(batch.len());
    for (line, user) in batch {
        let hash = user.hash(target).map_err(|why| format!("line {line}: {why}"))?;
        hashed.push((line, user, hash));
    }
    loop {
        let new: Vec<NewIdentity<'_>> =
            hashed.iter().map(|(_, user, hash)| user.identity(target.realm, hash)).collect();
        match target.store.identities().create_all(&new, target.now).await {
            Ok(()) => return Ok(()),
            Err((at, error @ StoreError::Conflict { .. })) => {
                let (line, ..) = hashed.remove(at);
                counts.taken -= 1;
                counts.refused += 1;
                refused(line, &error.to_string());
            }
            Err((at, error)) => {
                let line = hashed.get(at).map_or(0, |(line, ..)| *line);
                return Err(format!("line {line}: {error}"));
            }
        }
    }
}

/// One line without its end, and its number; `None` at the end of the file. `Err` for one that is too long or no text.
fn read_line(from: &mut dyn BufRead, number: &mut u64) -> Result<Option<String>, String> {
    use std::io::Read as _;
    *number += 1;
    let mut line = Vec::new();
    let most = u64::try_from(MAX_LINE).unwrap_or(u64::MAX) + 2;
    let read = from.take(most).read_until(b'\n', &mut line);
    read.map_err(|error| format!("line {number}: {error}"))?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    }
    if line.len() > MAX_LINE {
        return Err(format!("line {number}: a line may have {MAX_LINE} bytes"));
    }
    String::from_utf8(line).map(Some).map_err(|_| format!("line {number}: it is not UTF-8"))
}
