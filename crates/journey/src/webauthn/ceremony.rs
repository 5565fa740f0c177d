//! W3C WebAuthn Level 2 §7.1 and §7.2. The numbers in comments are the steps there.

use ciborium::Value as Cbor;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::answer::Data;
use super::public_key::{Algorithm, PublicKey};

/// Longest credential id (§5.8.3).
const MAX_CREDENTIAL_ID: usize = 1023;
const MAX_DEPTH: usize = 8;

const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKUP_STATE: u8 = 1 << 4;
const ATTESTED: u8 = 1 << 6;
const EXTENSIONS: u8 = 1 << 7;

/// What the answer has to fit.
pub(crate) struct Expected<'a> {
    pub(crate) challenge: &'a [u8],
    pub(crate) relying_party_id: &'a str,
    pub(crate) origins: &'a [String],
    pub(crate) user_verification_required: bool,
}

/// The client's fault, or that of somebody between; for the log.
pub(crate) type Refusal = &'static str;

/// A credential that has just been made.
pub(crate) struct Registered {
    pub(crate) credential_id: Vec<u8>,
    pub(crate) key: PublicKey,
    pub(crate) sign_count: u32,
    pub(crate) user_verified: bool,
    pub(crate) backup_eligible: bool,
    pub(crate) backed_up: bool,
    pub(crate) aaguid: [u8; 16],
    /// The format of the attestation statement.
    pub(crate) format: String,
}

/// A credential that has just been used.
pub(crate) struct Asserted {
    pub(crate) sign_count: u32,
    pub(crate) user_verified: bool,
    pub(crate) backed_up: bool,
}

/// §7.1: the parts of `data` are the attestation object and the credential id.
pub(crate) fn register(expected: &Expected<'_>, algs: &[Algorithm], data: &Data) -> Result<Registered, Refusal> {
    client_data(expected, "webauthn.create", &data.client_data)?; // 5 to 10
    let object = data.bytes(0).ok_or("the attestation object is not a list of bytes")?;
    let mut rest = object.as_slice();
    let object = cbor(&mut rest).filter(|_| rest.is_empty()).ok_or("the attestation object is not CBOR")?; // 12
    let field = |name: &str| {
        let map = object.as_map()?;
        map.iter().find(|(key, _)| key.as_text() == Some(name)).map(|(_, value)| value)
    };
    let bytes = field("authData").and_then(Cbor::as_bytes).ok_or("no authenticator data")?;
    let format = field("fmt").and_then(Cbor::as_text).ok_or("no attestation format")?;
    let auth = AuthenticatorData::read(bytes)?;
    auth.check(expected)?; // 13 to 15
    let attested = auth.attested.ok_or("no credential in it")?;
    if !algs.contains(&attested.key.alg()) {
        return Err("the credential's algorithm is not one of those wanted"); // 16
    }
    if data.id(1).is_some_and(|id| id != attested.credential_id) {
        return Err("two credential ids");
    }
    Ok(Registered {
        credential_id: attested.credential_id,
        key: attested.key,
        sign_count: auth.sign_count,
        user_verified: auth.flags & USER_VERIFIED != 0,
        backup_eligible: auth.flags & BACKUP_ELIGIBLE != 0,
        backed_up: auth.flags & BACKUP_STATE != 0,
        aaguid: attested.aaguid,
        format: format.chars().take(32).collect(),
    })
}

/// §7.2: the parts of `data` are the authenticator data and the signature.
pub(crate) fn authenticate(
    expected: &Expected<'_>,
    key: &PublicKey,
    backup_eligible: bool,
    data: &Data,
) -> Result<Asserted, Refusal> {
    client_data(expected, "webauthn.get", &data.client_data)?; // 8 to 14
    let bytes = data.bytes(0).ok_or("the authenticator data is not a list of bytes")?;
    let signature = data.bytes(1).ok_or("the signature is not a list of bytes")?;
    let auth = AuthenticatorData::read(&bytes)?;
    auth.check(expected)?; // 15 to 17
    // Level 3 §7.2: a credential is made for one device or for many, and stays so.
    if backup_eligible != (auth.flags & BACKUP_ELIGIBLE != 0) {
        return Err("the credential's backup eligibility has changed");
    }
    let message = [bytes.as_slice(), Sha256::digest(&data.client_data).as_slice()].concat(); // 19
    if !key.verify(&message, &signature) {
        return Err("the signature is wrong"); // 20
    }
    Ok(Asserted {
        sign_count: auth.sign_count,
        user_verified: auth.flags & USER_VERIFIED != 0,
        backed_up: auth.flags & BACKUP_STATE != 0,
    })
}

fn client_data(expected: &Expected<'_>, kind: &str, text: &str) -> Result<(), Refusal> {
    let data: Value = serde_json::from_str(text).map_err(|_| "the client data is not JSON")?;
    let part = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default();
    if part("type") != kind {
        return Err("the client data is of another ceremony");
    }
    let challenge = super::decode(part("challenge")).ok_or("the challenge is not base64url")?;
    if !bool::from(challenge.ct_eq(expected.challenge)) {
        return Err("the challenge is another one");
    }
    let origin = part("origin");
    if origin.is_empty() || !expected.origins.iter().any(|known| known.trim_end_matches('/') == origin) {
        return Err("the origin is another one");
    }
    if data.get("crossOrigin").and_then(Value::as_bool) == Some(true) {
        return Err("it was done inside another site");
    }
    Ok(())
}

struct Attested {
    aaguid: [u8; 16],
    credential_id: Vec<u8>,
    key: PublicKey,
}

/// §6.1.
struct AuthenticatorData {
    relying_party: [u8; 32],
    flags: u8,
    sign_count: u32,
    attested: Option<Attested>,
}

impl AuthenticatorData {
    fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        let short = "the authenticator data is too short";
        let mut rest = bytes;
        let relying_party = take(&mut rest).ok_or(short)?;
        let [flags] = take(&mut rest).ok_or(short)?;
        let sign_count = u32::from_be_bytes(take(&mut rest).ok_or(short)?);
        let attested = if flags & ATTESTED == 0 {
            None
        } else {
            let aaguid = take(&mut rest).ok_or(short)?;
            let length = usize::from(u16::from_be_bytes(take(&mut rest).ok_or(short)?));
            if length == 0 || length > MAX_CREDENTIAL_ID {
                return Err("the credential id has no length that it may have");
            }
            let (id, behind) = rest.split_at_checked(length).ok_or(short)?;
            rest = behind;
            let key = cbor(&mut rest).ok_or("the credential's key is not CBOR")?;
            let key = PublicKey::from_cose(&key).ok_or("the credential's key is not of a kind that is known")?;
            Some(Attested { aaguid, credential_id: id.to_vec(), key })
        };
        if flags & EXTENSIONS != 0 && cbor(&mut rest).is_none_or(|extensions| !extensions.is_map()) {
            return Err("the extensions are not CBOR");
        }
        if !rest.is_empty() {
            return Err("the authenticator data is too long");
        }
        Ok(Self { relying_party, flags, sign_count, attested })
    }

    fn check(&self, expected: &Expected<'_>) -> Result<(), Refusal> {
        if self.relying_party != *Sha256::digest(expected.relying_party_id) {
            return Err("it is for another relying party");
        }
        if self.flags & USER_PRESENT == 0 {
            return Err("nobody was there");
        }
        if expected.user_verification_required && self.flags & USER_VERIFIED == 0 {
            return Err("the user was not verified");
        }
        if self.flags & BACKUP_STATE != 0 && self.flags & BACKUP_ELIGIBLE == 0 {
            return Err("backed up, and cannot be"); // Level 3 §6.1.3
        }
        Ok(())
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*head)
}

/// One item; `rest` is then what comes behind it.
fn cbor(rest: &mut &[u8]) -> Option<Cbor> {
    ciborium::de::from_reader_with_recursion_limit(rest, MAX_DEPTH).ok()
}
