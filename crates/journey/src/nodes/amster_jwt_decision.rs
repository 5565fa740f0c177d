use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use countersign_core::token::foreign::{ForeignKey, verify_by_set};
use subtle::ConstantTimeEq as _;

use super::prelude::*;

config! {
    /// The label of the realm's secret that has the keys, in OpenSSH's `authorized_keys` format: in exports, AM's path.
    authorizedKeys: String;
}

const NONCE: &str = "amster.nonce";
const MAX_KEYS: usize = 256;
/// Clocks differ.
const SKEW: i64 = 60;

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "AmsterJwtDecisionNode";
    const NAME: &'static str = "Amster JWT Decision";
    const ABOUT: &'static str = "Lets those in who sign with one of the SSH keys that are authorized.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(DECISION);
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::HiddenValueCallback];
    const INPUTS: &'static [Key] = &[Key::Named(NONCE)];
    const OUTPUTS: &'static [Key] = &[Key::Named(NONCE), Key::Named("username")];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let nonce = step.state.text(NONCE).map(str::to_owned);
        let answered = step.answered(CallbackType::HiddenValueCallback).map(|callback| callback.text().to_owned());
        let Some((jwt, nonce)) = answered.zip(nonce) else {
            let nonce = step.random_id();
            step.state.put_transient(NONCE, nonce.as_str());
            return send([Callback::hidden("jwt", &nonce)]);
        };
        // Once.
        step.state.remove(NONCE);
        let missing = || NodeError::Config(format!("secret {:?} does not exist", config.authorizedKeys));
        let keys = authorized(step.secret(&config.authorizedKeys).ok_or_else(missing)?);
        let Ok(payload) = verify_by_set(jwt.as_bytes(), &keys) else { return decide(false) };
        let claims: Map<String, Value> = serde_json::from_slice(&payload).unwrap_or_default();
        let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
        let now = i64::try_from(step.now() / 1000).unwrap_or(i64::MAX);
        let expires = claims.get("exp").and_then(Value::as_i64);
        let fresh = expires.is_none_or(|expires| now < expires.saturating_add(SKEW));
        if !fresh || !bool::from(text("nonce").as_bytes().ct_eq(nonce.as_bytes())) {
            return decide(false);
        }
        let found = step.host.identities.find(step.resource(), "userName", text("sub")).await?;
        let Some(identity) = found else { return decide(false) };
        step.state.put_shared("username", identity.username.as_str());
        step.identify(&identity);
        decide(true)
    }
}

/// The keys of an `authorized_keys` file. Lines with options are left out: what they restrict is not checked here.
fn authorized(file: &str) -> Vec<ForeignKey> {
    let key = |line: &str| {
        let mut words = line.split_whitespace();
        let (kind, blob) = (words.next()?, words.next()?);
        let blob = STANDARD.decode(blob).ok()?;
        let mut rest = blob.as_slice();
        if part(&mut rest)? != kind.as_bytes() {
            return None;
        }
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let jwk = match kind {
            "ssh-rsa" => {
                let (e, n) = (part(&mut rest)?, part(&mut rest)?);
                json!({"kty": "RSA", "e": encode(plain(e)), "n": encode(plain(n))})
            }
            "ssh-ed25519" => json!({"kty": "OKP", "crv": "Ed25519", "x": encode(part(&mut rest)?)}),
            "ecdsa-sha2-nistp256" | "ecdsa-sha2-nistp384" | "ecdsa-sha2-nistp521" => {
                part(&mut rest)?;
                let (&form, point) = part(&mut rest)?.split_first()?;
                let (x, y) = point.split_at_checked(point.len() / 2)?;
                let curve = match kind {
                    "ecdsa-sha2-nistp256" => "P-256",
                    "ecdsa-sha2-nistp384" => "P-384",
                    _ => "P-521",
                };
                if form != 4 {
                    return None;
                }
                json!({"kty": "EC", "crv": curve, "x": encode(x), "y": encode(y)})
            }
            _ => return None,
        };
        ForeignKey::from_jwk(jwk.as_object()?).ok()
    };
    file.lines().take(MAX_KEYS).filter_map(key).collect()
}

/// The next string of an SSH blob: its length and its bytes (RFC 4251 §5).
fn part<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let (bytes, after) = after.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    *rest = after;
    Some(bytes)
}

/// A number without the zero that keeps it positive.
fn plain(number: &[u8]) -> &[u8] {
    number.strip_prefix(&[0]).unwrap_or(number)
}
