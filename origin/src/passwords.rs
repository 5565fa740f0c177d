//! Password hashing (argon2id) in a bounded pool: it is the most expensive thing that a stranger can ask of us.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::ambient::{Entropy, random};
use crate::password_schemes::Scheme;
use crate::settings;

/// Longest password that is checked, in bytes. A longer one costs the same and is wrong.
pub(crate) const MAX_PASSWORD: usize = 1024;

/// How our own hashes begin.
const OWN: &str = "$argon2";

/// Why there is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HashError {
    /// As many checks wait as may wait: come back later.
    Overloaded,
    /// Not enough memory, or a stored hash that is none: the operator's fault or ours.
    Failed,
}

impl std::fmt::Display for HashError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Overloaded => "too many password checks are waiting",
            Self::Failed => "the password hash could not be computed",
        })
    }
}

/// The outcome of a check.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Checked {
    pub(crate) right: bool,
    /// The right password's hash with today's parameters, when the stored one has others.
    pub(crate) renewed: Option<String>,
}

pub(crate) struct Passwords {
    argon2: Argon2<'static>,
    /// Running and waiting together.
    admission: Arc<Semaphore>,
    workers: Arc<Semaphore>,
    /// What is checked when there is no such user. Of the same parameters, and of a password that nobody has.
    dummy: Arc<str>,
}

impl Passwords {
    pub(crate) fn new(settings: &settings::Argon2, entropy: &dyn Entropy) -> Result<Self, HashError> {
        let argon2 = hasher(settings)?;
        let dummy = hash(&argon2, &random::<32>(entropy), entropy)?;
        let (workers, queue) = (settings.workers as usize, settings.queue as usize);
        Ok(Self {
            argon2,
            admission: Arc::new(Semaphore::new(workers + queue)),
            workers: Arc::new(Semaphore::new(workers)),
            dummy: dummy.into(),
        })
    }

    /// Whether `password` is the one of `stored`. Without a `stored` the answer is no, after the same work.
    pub(crate) async fn verify(
        &self,
        password: Zeroizing<String>,
        stored: Option<String>,
        entropy: &dyn Entropy,
    ) -> Result<Checked, HashError> {
        self.verify_or(password, stored, None, entropy).await
    }

    /// The same, with the work that `dummy` asks for where there is no `stored`.
    pub(crate) async fn verify_or(
        &self,
        password: Zeroizing<String>,
        stored: Option<String>,
        dummy: Option<String>,
        entropy: &dyn Entropy,
    ) -> Result<Checked, HashError> {
        let salt = random(entropy);
        let admitted = Arc::clone(&self.admission).try_acquire_owned().map_err(|_| HashError::Overloaded)?;
        let worker = Arc::clone(&self.workers).acquire_owned().await.map_err(|_| HashError::Failed)?;
        let argon2 = self.argon2.clone();
        let (own, dummy) = (Arc::clone(&self.dummy), dummy.map_or_else(|| Arc::clone(&self.dummy), Arc::from));
        let checked = tokio::task::spawn_blocking(move || {
            // Held in here: a client that hangs up must not free a place while the work goes on.
            let _places = (admitted, worker);
            let possible = stored.is_some() && password.len() <= MAX_PASSWORD;
            let password = if password.len() <= MAX_PASSWORD { password.as_bytes() } else { &[] };
            let against = stored.as_deref().filter(|_| possible).unwrap_or(&dummy);
            if !against.starts_with(OWN) {
                // From another system. Once it was right, it is made one of ours.
                let scheme = Scheme::read(against).map_err(|_| HashError::Failed)?;
                let right = scheme.verify(password) && possible;
                let renewed = right.then(|| salted(&argon2, password, &salt).ok()).flatten();
                return Ok(Checked { right, renewed });
            }
            match argon2.verify_password(password, against) {
                Ok(()) if possible => {
                    // In here, so that this work too is among what is bounded. A failure is none of the login's.
                    let outdated = parameters(against) != parameters(&own);
                    let renewed = outdated.then(|| salted(&argon2, password, &salt).ok()).flatten();
                    Ok(Checked { right: true, renewed })
                }
                Ok(()) | Err(argon2::password_hash::Error::PasswordInvalid) => Ok(Checked::default()),
                Err(_) => Err(HashError::Failed),
            }
        });
        checked.await.map_err(|_| HashError::Failed)?
    }

    /// The hash of a new password, or of another secret that is as short: a PHC string. Longer ones than
    /// [`MAX_PASSWORD`] are the caller's to refuse.
    pub(crate) async fn hash(&self, password: Zeroizing<String>, entropy: &dyn Entropy) -> Result<String, HashError> {
        let salt = random(entropy);
        let admitted = Arc::clone(&self.admission).try_acquire_owned().map_err(|_| HashError::Overloaded)?;
        let worker = Arc::clone(&self.workers).acquire_owned().await.map_err(|_| HashError::Failed)?;
        let argon2 = self.argon2.clone();
        let hashed = tokio::task::spawn_blocking(move || {
            let _places = (admitted, worker);
            salted(&argon2, password.as_bytes(), &salt)
        });
        hashed.await.map_err(|_| HashError::Failed)?
    }

    /// Takes every place, so that a test sees who would need one.
    #[cfg(test)]
    pub(crate) fn occupy(&self) -> tokio::sync::OwnedSemaphorePermit {
        let places = u32::try_from(self.admission.available_permits()).unwrap();
        Arc::clone(&self.admission).try_acquire_many_owned(places).unwrap()
    }
}

pub(crate) fn hasher(settings: &settings::Argon2) -> Result<Argon2<'static>, HashError> {
    let params = Params::new(settings.memory_kib, settings.iterations, settings.parallelism, None);
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params.map_err(|_| HashError::Failed)?))
}

/// A PHC string.
pub(crate) fn hash(argon2: &Argon2<'_>, password: &[u8], entropy: &dyn Entropy) -> Result<String, HashError> {
    salted(argon2, password, &random(entropy))
}

fn salted(argon2: &Argon2<'_>, password: &[u8], salt: &[u8; 16]) -> Result<String, HashError> {
    let hash = argon2.hash_password_with_salt(password, salt).map_err(|_| HashError::Failed)?;
    Ok(hash.to_string())
}

/// What stands before salt and hash in a PHC string: algorithm, version and costs.
fn parameters(phc: &str) -> Option<&str> {
    phc.rsplitn(3, '$').nth(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemEntropy;

    const CHEAP: settings::Argon2 =
        settings::Argon2 { memory_kib: 8, iterations: 1, parallelism: 1, workers: 1, queue: 0 };

    async fn right(passwords: &Passwords, password: &str, stored: Option<&str>) -> Result<bool, HashError> {
        let checked = passwords.verify(text(password), stored.map(str::to_owned), &SystemEntropy).await?;
        assert_eq!(checked.renewed, None);
        Ok(checked.right)
    }

    fn text(password: &str) -> Zeroizing<String> {
        Zeroizing::new(password.to_owned())
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_known_user_is_right() {
        let passwords = Passwords::new(&CHEAP, &SystemEntropy).unwrap();
        let stored = hash(&passwords.argon2, b"Ch4ng31t", &SystemEntropy).unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=8,t=1,p=1$"));
        assert_eq!(right(&passwords, "Ch4ng31t", Some(&stored)).await, Ok(true));
        assert_eq!(right(&passwords, "ch4ng31t", Some(&stored)).await, Ok(false));
        assert_eq!(right(&passwords, "", Some(&stored)).await, Ok(false));
        assert_eq!(right(&passwords, "Ch4ng31t", None).await, Ok(false));
        assert_eq!(right(&passwords, "x", Some("not a hash")).await, Err(HashError::Failed));
    }

    #[tokio::test]
    async fn an_overlong_password_is_wrong_even_when_stored() {
        let passwords = Passwords::new(&CHEAP, &SystemEntropy).unwrap();
        let long = "x".repeat(MAX_PASSWORD + 1);
        let stored = hash(&passwords.argon2, long.as_bytes(), &SystemEntropy).unwrap();
        assert_eq!(right(&passwords, &long, Some(&stored)).await, Ok(false));
        let stored = hash(&passwords.argon2, b"", &SystemEntropy).unwrap();
        assert_eq!(right(&passwords, &long, Some(&stored)).await, Ok(false));
    }

    #[tokio::test]
    async fn beyond_the_queue_is_overload() {
        let passwords = Passwords::new(&CHEAP, &SystemEntropy).unwrap();
        let _busy = passwords.occupy();
        assert_eq!(right(&passwords, "x", None).await, Err(HashError::Overloaded));
    }

    #[tokio::test]
    async fn the_hash_of_a_right_password_is_renewed_when_its_parameters_are_not_ours() {
        let passwords = Passwords::new(&CHEAP, &SystemEntropy).unwrap();
        let other = hasher(&settings::Argon2 { memory_kib: 16, iterations: 2, ..CHEAP }).unwrap();
        let stored = hash(&other, b"Ch4ng31t", &SystemEntropy).unwrap();
        let wrong = passwords.verify(text("x"), Some(stored.clone()), &SystemEntropy).await.unwrap();
        assert!(!wrong.right && wrong.renewed.is_none());
        let checked = passwords.verify(text("Ch4ng31t"), Some(stored), &SystemEntropy).await.unwrap();
        let renewed = checked.renewed.unwrap();
        assert!(checked.right && renewed.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{renewed}");
        assert_eq!(right(&passwords, "Ch4ng31t", Some(&renewed)).await, Ok(true));
    }
}
