//! Password hashes that other systems made: read in their many spellings, kept in one, verified until the next login
//! makes an argon2id hash of them.

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use pbkdf2::pbkdf2_hmac;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Base64 with or without padding, as both are found.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Longest text that is looked at.
const MAX_TEXT: usize = 1024;
const MAX_SALT: usize = 128;
/// Shorter ones are met by chance too easily, longer ones no scheme makes.
const HASH: std::ops::RangeInclusive<usize> = 16..=64;
/// What a check may cost: a stored hash must not be a way to stop the origin.
const MAX_BCRYPT_COST: u32 = 15;
const MAX_PBKDF2_ROUNDS: u32 = 5_000_000;
const MAX_SCRYPT_LOG_N: u8 = 20;
const MAX_SCRYPT_BYTES: u64 = 256 << 20;
const MAX_SCRYPT_P: u32 = 16;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hash {
    Sha1,
    Sha256,
    Sha512,
}

impl Hash {
    const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    fn of(name: &str) -> Option<Self> {
        [Self::Sha1, Self::Sha256, Self::Sha512].into_iter().find(|hash| hash.name() == name)
    }

    const fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// A hash, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// The text is one that [`bcrypt`] reads.
    Bcrypt(String),
    Scrypt {
        log_n: u8,
        r: u32,
        p: u32,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    Pbkdf2 {
        with: Hash,
        rounds: u32,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    /// Hash of password and salt, in that order: directories' `{SSHA}`.
    Salted {
        with: Hash,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
}

/// Why a hash is not taken. The fault is with whoever hands it in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SchemeError {
    Unknown,
    /// Of a scheme that is known, but cut off or altered.
    Malformed,
    /// A check would take too long.
    TooCostly,
}

impl std::fmt::Display for SchemeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unknown => {
                "the password hash is of no scheme that is known: argon2id, bcrypt, scrypt, PBKDF2, SSHA, SSHA256, SSHA512"
            }
            Self::Malformed => "the password hash is damaged",
            Self::TooCostly => "the password hash would take too long to check",
        })
    }
}

fn decoded(text: &str) -> Result<Vec<u8>, SchemeError> {
    // passlib writes a dot for the plus.
    BASE64.decode(text.replace('.', "+")).map_err(|_| SchemeError::Malformed)
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, SchemeError> {
    text.parse().map_err(|_| SchemeError::Malformed)
}

/// The values of `i=1,l=2` by name.
fn parameter<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.split(',').filter_map(|part| part.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
}

impl Scheme {
    /// Reads a hash in any of the spellings.
    pub(crate) fn read(text: &str) -> Result<Self, SchemeError> {
        let text = text.trim();
        if text.len() > MAX_TEXT {
            return Err(SchemeError::Malformed);
        }
        let read = match text.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            Some((name, rest)) => Self::of_directory(&name.to_ascii_uppercase(), rest),
            None => Self::of_text(text),
        }?;
        read.within_bounds()?;
        Ok(read)
    }

    fn of_directory(name: &str, rest: &str) -> Result<Self, SchemeError> {
        let salted = |with: Hash| {
            let mut hash = decoded(rest)?;
            if hash.len() <= with.bytes() {
                return Err(SchemeError::Malformed);
            }
            let salt = hash.split_off(with.bytes());
            Ok(Self::Salted { with, salt, hash })
        };
        // As PingDS writes it: rounds, then hash and salt in one.
        let pbkdf2 = |with: Hash| {
            let (rounds, packed) = rest.split_once(':').ok_or(SchemeError::Malformed)?;
            let mut hash = decoded(packed)?;
            if hash.len() <= with.bytes() {
                return Err(SchemeError::Malformed);
            }
            let salt = hash.split_off(with.bytes());
            Ok(Self::Pbkdf2 { with, rounds: number(rounds)?, salt, hash })
        };
        match name {
            "SSHA" => salted(Hash::Sha1),
            "SSHA256" => salted(Hash::Sha256),
            "SSHA512" => salted(Hash::Sha512),
            "PBKDF2" | "PBKDF2-HMAC-SHA1" => pbkdf2(Hash::Sha1),
            "PBKDF2-HMAC-SHA256" => pbkdf2(Hash::Sha256),
            "PBKDF2-HMAC-SHA512" => pbkdf2(Hash::Sha512),
            "BCRYPT" | "CRYPT" | "SCRYPT" => Self::of_text(rest),
            _ => Err(SchemeError::Unknown),
        }
    }

    fn of_text(text: &str) -> Result<Self, SchemeError> {
        if ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix)) {
            return Ok(Self::Bcrypt(text.to_owned()));
        }
        // Django: the salt is text.
        if let Some((with, rest)) = text.strip_prefix("pbkdf2_").and_then(|rest| rest.split_once('$')) {
            let with = Hash::of(with).ok_or(SchemeError::Unknown)?;
            let mut parts = rest.splitn(3, '$');
            let (Some(rounds), Some(salt), Some(hash)) = (parts.next(), parts.next(), parts.next()) else {
                return Err(SchemeError::Malformed);
            };
            let (rounds, salt) = (number(rounds)?, salt.as_bytes().to_vec());
            return Ok(Self::Pbkdf2 { with, rounds, salt, hash: decoded(hash)? });
        }
        let mut parts = text.split('$');
        let (Some(""), Some(name)) = (parts.next(), parts.next()) else { return Err(SchemeError::Unknown) };
        let rest: Vec<&str> = parts.collect();
        let of = |prefix: &str| {
            let with = name.strip_prefix(prefix)?.trim_start_matches('-');
            // PHC and passlib both mean SHA-1 where they say nothing.
            if with.is_empty() { Some(Hash::Sha1) } else { Hash::of(with) }
        };
        match (name, rest.as_slice()) {
            ("scrypt", [costs, salt, hash]) => {
                let cost = |name| parameter(costs, name).ok_or(SchemeError::Malformed);
                Ok(Self::Scrypt {
                    log_n: number(cost("ln")?)?,
                    r: number(cost("r")?)?,
                    p: number(cost("p")?)?,
                    salt: decoded(salt)?,
                    hash: decoded(hash)?,
                })
            }
            (name, [costs, salt, hash]) if name.starts_with("pbkdf2") => {
                let with = of("pbkdf2").ok_or(SchemeError::Unknown)?;
                let rounds = parameter(costs, "i").unwrap_or(costs);
                Ok(Self::Pbkdf2 { with, rounds: number(rounds)?, salt: decoded(salt)?, hash: decoded(hash)? })
            }
            (name, [salt, hash]) if name.starts_with("ssha") => {
                let with = match name {
                    "ssha" => Hash::Sha1,
                    "ssha256" => Hash::Sha256,
                    "ssha512" => Hash::Sha512,
                    _ => return Err(SchemeError::Unknown),
                };
                Ok(Self::Salted { with, salt: decoded(salt)?, hash: decoded(hash)? })
            }
            ("scrypt", _) => Err(SchemeError::Malformed),
            _ => Err(SchemeError::Unknown),
        }
    }

    fn within_bounds(&self) -> Result<(), SchemeError> {
        let sized = |salt: &[u8], hash: &[u8]| {
            let fits = (1..=MAX_SALT).contains(&salt.len()) && HASH.contains(&hash.len());
            if fits { Ok(()) } else { Err(SchemeError::Malformed) }
        };
        let cheap = |fine: bool| if fine { Ok(()) } else { Err(SchemeError::TooCostly) };
        match self {
            Self::Bcrypt(text) => {
                let parts: bcrypt::HashParts = text.parse().map_err(|_| SchemeError::Malformed)?;
                cheap(parts.get_cost() <= MAX_BCRYPT_COST)
            }
            Self::Scrypt { log_n, r, p, salt, hash } => {
                sized(salt, hash)?;
                if *log_n == 0 || *r == 0 || *p == 0 {
                    return Err(SchemeError::Malformed);
                }
                cheap(*log_n <= MAX_SCRYPT_LOG_N && *p <= MAX_SCRYPT_P)?;
                cheap((128u64 << log_n).saturating_mul(u64::from(*r)) <= MAX_SCRYPT_BYTES)
            }
            Self::Pbkdf2 { rounds, salt, hash, .. } => {
                sized(salt, hash)?;
                if *rounds == 0 {
                    return Err(SchemeError::Malformed);
                }
                cheap(*rounds <= MAX_PBKDF2_ROUNDS)
            }
            Self::Salted { with, salt, hash } => {
                sized(salt, hash)?;
                if hash.len() == with.bytes() { Ok(()) } else { Err(SchemeError::Malformed) }
            }
        }
    }

    /// As it is kept.
    pub(crate) fn text(&self) -> String {
        let encoded = |bytes: &[u8]| BASE64.encode(bytes);
        match self {
            Self::Bcrypt(text) => text.clone(),
            Self::Scrypt { log_n, r, p, salt, hash } => {
                format!("$scrypt$ln={log_n},r={r},p={p}${}${}", encoded(salt), encoded(hash))
            }
            Self::Pbkdf2 { with, rounds, salt, hash } => {
                format!("$pbkdf2-{}$i={rounds}${}${}", with.name(), encoded(salt), encoded(hash))
            }
            Self::Salted { with, salt, hash } => {
                let name = if *with == Hash::Sha1 { "" } else { with.name().trim_start_matches("sha") };
                format!("$ssha{name}${}${}", encoded(salt), encoded(hash))
            }
        }
    }

    /// Whether it is the hash of that password. It takes as long as its costs say.
    pub(crate) fn verify(&self, password: &[u8]) -> bool {
        let same = |computed: &[u8], hash: &[u8]| bool::from(computed.ct_eq(hash));
        match self {
            Self::Bcrypt(text) => bcrypt::verify(password, text).unwrap_or(false),
            Self::Scrypt { log_n, r, p, salt, hash } => {
                let Ok(parameters) = scrypt::Params::new(*log_n, *r, *p) else { return false };
                let mut computed = Zeroizing::new(vec![0; hash.len()]);
                scrypt::scrypt(password, salt, &parameters, &mut computed).is_ok() && same(&computed, hash)
            }
            Self::Pbkdf2 { with, rounds, salt, hash } => {
                let mut computed = Zeroizing::new(vec![0; hash.len()]);
                match with {
                    Hash::Sha1 => pbkdf2_hmac::<Sha1>(password, salt, *rounds, &mut computed),
                    Hash::Sha256 => pbkdf2_hmac::<Sha256>(password, salt, *rounds, &mut computed),
                    Hash::Sha512 => pbkdf2_hmac::<Sha512>(password, salt, *rounds, &mut computed),
                }
                same(&computed, hash)
            }
            Self::Salted { with, salt, hash } => match with {
                Hash::Sha1 => same(&salted::<Sha1>(password, salt), hash),
                Hash::Sha256 => same(&salted::<Sha256>(password, salt), hash),
                Hash::Sha512 => same(&salted::<Sha512>(password, salt), hash),
            },
        }
    }
}

fn salted<D: Digest>(password: &[u8], salt: &[u8]) -> Vec<u8> {
    D::new().chain_update(password).chain_update(salt).finalize().to_vec()
}

/// A hash as the store keeps it: our own as it is, another's in its one spelling.
pub(crate) fn kept(text: &str) -> Result<String, SchemeError> {
    let text = text.trim();
    let own = text.strip_prefix("{ARGON2}").unwrap_or(text);
    if own.starts_with("$argon2id$") {
        use argon2::password_hash::phc::PasswordHash;
        return match PasswordHash::new(own) {
            Ok(_) if own.len() <= MAX_TEXT => Ok(own.to_owned()),
            _ => Err(SchemeError::Malformed),
        };
    }
    Scheme::read(text).map(|scheme| scheme.text())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn right(text: &str, password: &str) {
        let kept = kept(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(kept.starts_with('$'), "{kept}");
        let scheme = Scheme::read(&kept).unwrap();
        assert!(scheme.verify(password.as_bytes()), "{text}");
        assert!(!scheme.verify(b"another"), "{text}");
        assert_eq!(scheme.text(), kept);
    }

    /// From the test vectors of crypt_blowfish. For these passwords `2a` and `2y` are the same.
    #[test]
    fn bcrypt() {
        right("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U");
        right("$2y$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a", "U*U*U");
        right("{CRYPT}$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK", "U*U*");
    }

    /// Made with Python's hashlib, in the form of OpenLDAP and PingDS.
    #[test]
    fn salted_hashes_of_directories() {
        right("{SSHA}TUJSOZXEpsO0ugaXv1z4WCS+DMwAAQIDBAUGBw==", "correct horse");
        right("{SSHA256}Y5vD+Iq3CpVfgnuNwvKU1Ho4qGx15uzJc99ko3CD7h8AAQIDBAUGBw==", "correct horse");
        right(
            "{SSHA512}SGN41g/7Nh5fW1caq7+OFLY1bStmyjRGeqqYToVdk0I9L+xm2+jSyFnhDNYpXUOOGQ9nETeYvQasgfmOQKvGSAABAgMEBQYH",
            "correct horse",
        );
        right("{ssha}TUJSOZXEpsO0ugaXv1z4WCS+DMwAAQIDBAUGBw==", "correct horse");
    }

    /// Made with Python's hashlib: as PHC strings, by passlib's, Django's and PingDS's spelling.
    #[test]
    fn pbkdf2() {
        for text in [
            "$pbkdf2$i=1000,l=20$AAECAwQFBgcICQoLDA0ODw$ndhWw3a4srcTtr4HQFTLiKRlVuA",
            "$pbkdf2$1000$AAECAwQFBgcICQoLDA0ODw$ndhWw3a4srcTtr4HQFTLiKRlVuA",
            "pbkdf2_sha1$1000$saltysalt$IJr7AsPnoFOPxPTaJU4itBYEaz4=",
            "{PBKDF2}1000:ndhWw3a4srcTtr4HQFTLiKRlVuAAAQIDBAUGBwgJCgsMDQ4P",
            "$pbkdf2-sha256$i=1000,l=32$AAECAwQFBgcICQoLDA0ODw$yRTMTwbMbo9G0VfjobWqerzuuxe7BETNTErBbKKumGQ",
            "$pbkdf2-sha256$1000$AAECAwQFBgcICQoLDA0ODw$yRTMTwbMbo9G0VfjobWqerzuuxe7BETNTErBbKKumGQ",
            "pbkdf2_sha256$1000$saltysalt$ogyELkenhssjo9YzB+hLx2dedTg0guGJUM+KVU08H9I=",
            "{PBKDF2-HMAC-SHA256}1000:yRTMTwbMbo9G0VfjobWqerzuuxe7BETNTErBbKKumGQAAQIDBAUGBwgJCgsMDQ4P",
            "$pbkdf2-sha512$i=1000,l=64$AAECAwQFBgcICQoLDA0ODw$Xpx07WjVx4vCIvrmBRj8uOoVVtGqJqtUv2J5bhizSQs7osCteF7W4A61dZDqSIqQjO+dxO6p5FT/Uy7QRBXSXA",
            "$pbkdf2-sha512$1000$AAECAwQFBgcICQoLDA0ODw$Xpx07WjVx4vCIvrmBRj8uOoVVtGqJqtUv2J5bhizSQs7osCteF7W4A61dZDqSIqQjO.dxO6p5FT/Uy7QRBXSXA",
            "pbkdf2_sha512$1000$saltysalt$O16XWuVnexqJLfsDefbzG3j1sRqZ4NQffvOk/DVe8KldHgaig+20sUtifCNA8FgiBakhT8hVy+gQEyr/baYuqg==",
            "{PBKDF2-HMAC-SHA512}1000:Xpx07WjVx4vCIvrmBRj8uOoVVtGqJqtUv2J5bhizSQs7osCteF7W4A61dZDqSIqQjO+dxO6p5FT/Uy7QRBXSXAABAgMEBQYHCAkKCwwNDg8=",
        ] {
            right(text, "correct horse");
        }
    }

    /// Made with Python's hashlib, and the third vector of RFC 7914 §12.
    #[test]
    fn scrypt() {
        right(
            "$scrypt$ln=10,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$nfkj3u1fRTHCea+fVr03sWV770kp5wLOLoEakziKhqE",
            "correct horse",
        );
        right(
            "$scrypt$ln=4,r=1,p=2$AAECAwQFBgcICQoLDA0ODw$+PuG758kJVs5991CjvYDJNBCSOJ5EreUQkNgSFufMOo",
            "correct horse",
        );
        right(
            "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQylVYT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVdYhw",
            "pleaseletmein",
        );
    }

    #[test]
    fn what_is_unknown_damaged_or_too_costly_is_not_taken() {
        for (text, error) in [
            ("", SchemeError::Unknown),
            ("Ch4ng31t", SchemeError::Unknown),
            ("{CLEAR}secret", SchemeError::Unknown),
            ("{MD5}rL0Y20zC+Fzt72VPzMSk2A==", SchemeError::Unknown),
            ("$1$abc$def", SchemeError::Unknown),
            ("{SSHA}", SchemeError::Malformed),
            ("{SSHA}!!!", SchemeError::Malformed),
            ("{SSHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=", SchemeError::Malformed),
            ("$2a$05$short", SchemeError::Malformed),
            ("$scrypt$ln=14$x$y", SchemeError::Malformed),
            ("$scrypt$ln=14,r=8", SchemeError::Malformed),
            ("$scrypt$ln=30,r=8,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", SchemeError::TooCostly),
            ("$scrypt$ln=20,r=8,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", SchemeError::TooCostly),
            ("$pbkdf2-sha256$i=4000000000$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", SchemeError::TooCostly),
            ("$pbkdf2-sha256$i=0$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", SchemeError::Malformed),
            ("$pbkdf2-sha256$i=10$c2FsdHNhbHQ$AAAA", SchemeError::Malformed),
            ("$2a$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", SchemeError::TooCostly),
            ("$argon2id$v=19$broken", SchemeError::Malformed),
        ] {
            assert_eq!(kept(text), Err(error), "{text}");
        }
        assert_eq!(kept(&format!("{{SSHA}}{}", "A".repeat(4000))), Err(SchemeError::Malformed));
    }
}
