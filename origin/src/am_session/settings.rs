//! What an operator has of AM: its session settings as JSON, and the keys in files.

use std::path::{Path, PathBuf};

use countersign_core::keys::SigningAlg;
use countersign_core::token::am::{Culprit, Encryption, KeyBytes, Reader, Unusable};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::key_files;
use crate::key_files::{base64, content};

/// AM's answer has a few kilobytes; exports of all global settings have more.
const MAX_SETTINGS: u64 = 4 * 1024 * 1024;

const SIGNING_TYPE: &str = "statelessSigningType";
const SECRET: &str = "statelessSigningHmacSecret";
const ENCRYPTION_TYPE: &str = "statelessEncryptionType";
const AES_KEY: &str = "statelessEncryptionAesKey";
const COMPRESSION_TYPE: &str = "statelessCompressionType";

/// Settings of AM by which its cookies can be read, and the names of their keys.
pub(crate) struct AmSettings {
    pub(super) reader: Reader,
    /// In the order of the reader's.
    pub(super) signing: Vec<String>,
    pub(super) encryption: Vec<String>,
}

/// Keys to try, each with what it is called.
type Keys = (Vec<String>, Vec<KeyBytes>);

impl AmSettings {
    /// From the JSON of AM's session settings, whatever is around them, and files of keys, which go before what stands
    /// in the settings.
    pub(crate) fn load(path: &Path, signing: &[PathBuf], encryption: &[PathBuf]) -> Result<Self, String> {
        let of_file = |what: String| format!("{}: {what}", path.display());
        let json = settings_text(path)?;
        let json: Zeroizing<String> =
            String::from_utf8(json).map(Zeroizing::new).map_err(|_| of_file("not JSON".into()))?;
        let value: Value = serde_json::from_str(&json).map_err(|error| of_file(format!("not JSON: {error}")))?;
        let stateless = only_stateless(&value).map_err(of_file)?;
        let (signing_alg, kind) = types(stateless).map_err(of_file)?;
        let compresses = compresses(stateless).map_err(of_file)?;
        let signing_keys =
            signing_alg.map(|alg| signing_keys(alg, signing, stateless).map(|keys| (alg, keys))).transpose()?;
        let encryption_keys =
            kind.map(|kind| encryption_keys(kind, encryption, stateless).map(|keys| (kind, keys))).transpose()?;
        if signing_alg.is_none() && !signing.is_empty() {
            return Err(of_file(format!("{SIGNING_TYPE} is NONE, and a signing key is given")));
        }
        if kind.is_none() && !encryption.is_empty() {
            return Err(of_file(format!("{ENCRYPTION_TYPE} is NONE, and an encryption key is given")));
        }
        let reader = Reader::new(
            signing_keys.as_ref().map(|(alg, (_, keys))| (*alg, keys.as_slice())),
            encryption_keys.as_ref().map(|(kind, (_, keys))| (*kind, keys.as_slice())),
            compresses,
        );
        let names = |keys: Option<Keys>| keys.map(|(names, _)| names).unwrap_or_default();
        let signing = names(signing_keys.map(|(_, keys)| keys));
        let encryption = names(encryption_keys.map(|(_, keys)| keys));
        match reader {
            Ok(reader) => Ok(Self { reader, signing, encryption }),
            Err(unusable) => Err(of_unusable(&unusable, path, &signing, &encryption)),
        }
    }
}

fn of_unusable(unusable: &Unusable, path: &Path, signing: &[String], encryption: &[String]) -> String {
    let key = match unusable.key() {
        Some((Culprit::SigningKey, at)) => signing.get(at),
        Some((_, at)) => encryption.get(at),
        None => None,
    };
    key.map_or_else(|| format!("{}: {unusable}", path.display()), |key| format!("{key}: {unusable}"))
}

fn settings_text(path: &Path) -> Result<Vec<u8>, String> {
    use std::io::Read as _;
    let cannot = |what: &dyn std::fmt::Display| format!("cannot read {}: {what}", path.display());
    let file = std::fs::File::open(path).map_err(|error| cannot(&error))?;
    let mut text = Vec::new();
    file.take(MAX_SETTINGS + 1).read_to_end(&mut text).map_err(|error| cannot(&error))?;
    if text.len() as u64 > MAX_SETTINGS { Err(cannot(&"it is too long to be AM's session settings")) } else { Ok(text) }
}

/// The one object that has AM's names, be it all there is or deep in an export.
fn only_stateless(value: &Value) -> Result<&Map<String, Value>, String> {
    fn find<'a>(value: &'a Value, found: &mut Vec<&'a Map<String, Value>>) {
        match value {
            Value::Object(object) if object.contains_key(SIGNING_TYPE) || object.contains_key(ENCRYPTION_TYPE) => {
                found.push(object);
            }
            Value::Object(object) => object.values().for_each(|value| find(value, found)),
            Value::Array(list) => list.iter().for_each(|value| find(value, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    find(value, &mut found);
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(format!(
            "not AM's session settings: there is no {SIGNING_TYPE} in it (GET /json/global-config/services/session has \
             it, under `stateless`)"
        )),
        _ => {
            Err("there is more than one of AM's session settings in it: leave the one that the cookie is of".to_owned())
        }
    }
}

/// A text that AM runs with: not one that is put in later.
fn text<'a>(stateless: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, String> {
    let value = match stateless.get(name) {
        None | Some(Value::Null) => return Ok(None),
        // As exports have values that are not of the place where they were made.
        Some(Value::Object(object)) => object.get("$string").and_then(Value::as_str),
        Some(value) => value.as_str(),
    };
    match value {
        // Such a place may have a value of its own, for when there is no other: that may be the secret.
        Some(text) if text.contains("&{") => {
            let place = text.split(['|', '}']).next().unwrap_or_default();
            Err(format!("{name} is put in from elsewhere ({place}}})"))
        }
        Some("") => Ok(None),
        Some(text) => Ok(Some(text)),
        None => Err(format!("{name} is no text")),
    }
}

fn types(stateless: &Map<String, Value>) -> Result<(Option<SigningAlg>, Option<Encryption>), String> {
    let wanted = |name: &str| text(stateless, name)?.ok_or_else(|| format!("there is no {name}"));
    let signing = match wanted(SIGNING_TYPE)? {
        "NONE" => None,
        name => {
            // EdDSA is not AM's.
            let alg = SigningAlg::named(name).filter(|alg| *alg != SigningAlg::EdDsa);
            Some(alg.ok_or_else(|| {
                format!("{SIGNING_TYPE} is {name:?}; AM has HS256, HS384, HS512, RS256, ES256, ES384, ES512 and NONE")
            })?)
        }
    };
    let encryption = match wanted(ENCRYPTION_TYPE)? {
        "NONE" => None,
        "DIRECT" => Some(Encryption::Direct),
        "AES_KEYWRAP" => Some(Encryption::AesKeywrap),
        "RSA" => Some(Encryption::Rsa),
        name => return Err(format!("{ENCRYPTION_TYPE} is {name:?}; AM has DIRECT, AES_KEYWRAP, RSA and NONE")),
    };
    Ok((signing, encryption))
}

fn compresses(stateless: &Map<String, Value>) -> Result<bool, String> {
    match text(stateless, COMPRESSION_TYPE)? {
        None | Some("NONE") => Ok(false),
        Some("DEF") => Ok(true),
        Some(name) => Err(format!("{COMPRESSION_TYPE} is {name:?}; AM has DEF and NONE")),
    }
}

fn signing_keys(alg: SigningAlg, files: &[PathBuf], stateless: &Map<String, Value>) -> Result<Keys, String> {
    let (mut names, mut keys): Keys = (Vec::new(), Vec::new());
    for path in files {
        let bytes = content(path)?;
        if alg.is_symmetric() {
            for (spelling, secret) in spellings(&bytes).map_err(|what| format!("{}: {what}", path.display()))? {
                names.push(format!("{}, {spelling}", path.display()));
                keys.push(secret);
            }
        } else {
            let key = key_files::public(&bytes, alg).map_err(|what| format!("{}: {what}", path.display()))?;
            names.push(path.display().to_string());
            keys.push(key);
        }
    }
    if alg.is_symmetric() {
        match text(stateless, SECRET) {
            Ok(Some(secret)) => match spellings(secret.as_bytes()) {
                Ok(spellings) => {
                    for (spelling, secret) in spellings {
                        names.push(format!("{SECRET}, {spelling}"));
                        keys.push(secret);
                    }
                }
                Err(what) if keys.is_empty() => return Err(format!("{SECRET}: {what}")),
                Err(_) => {}
            },
            Ok(None) if keys.is_empty() => {
                return Err(format!(
                    "the settings have no {SECRET} (AM shows it to nobody): --am-signing-key names a file that has it"
                ));
            }
            Err(what) if keys.is_empty() => return Err(format!("{what}: --am-signing-key names a file that has it")),
            Ok(None) | Err(_) => {}
        }
    } else if keys.is_empty() {
        return Err(format!(
            "{SIGNING_TYPE} is {}: --am-signing-key names a file with AM's public key or its certificate (PEM)",
            alg.name()
        ));
    }
    Ok((names, keys))
}

/// The fork of AM takes the text itself for the secret, and others what it is base64 of. Which it was, the token says.
fn spellings(bytes: &[u8]) -> Result<Vec<(&'static str, KeyBytes)>, String> {
    // What is public must not pass for a secret: anybody could have signed with it.
    let text = std::str::from_utf8(bytes).map_err(|_| "no HMAC secret of AM: those are text".to_owned())?.trim();
    if text.contains("-----BEGIN ") {
        return Err("a PEM is no HMAC secret".to_owned());
    }
    let mut found = vec![("the text itself", Zeroizing::new(text.as_bytes().to_vec()))];
    found.extend(base64(text).filter(|secret| !secret.is_empty()).map(|secret| ("decoded from base64", secret)));
    Ok(found)
}

fn encryption_keys(kind: Encryption, files: &[PathBuf], stateless: &Map<String, Value>) -> Result<Keys, String> {
    let (mut names, mut keys): Keys = (Vec::new(), Vec::new());
    for path in files {
        let bytes = content(path)?;
        let key = match kind {
            Encryption::Rsa => key_files::private(&bytes),
            Encryption::Direct | Encryption::AesKeywrap => aes(&bytes),
        };
        names.push(path.display().to_string());
        keys.push(key.map_err(|what| format!("{}: {what}", path.display()))?);
    }
    if kind == Encryption::Rsa {
        if keys.is_empty() {
            return Err(format!(
                "{ENCRYPTION_TYPE} is RSA: --am-encryption-key names a file with AM's private key (PKCS#8, PEM)"
            ));
        }
        return Ok((names, keys));
    }
    match text(stateless, AES_KEY) {
        Ok(Some(key)) => match aes(key.as_bytes()) {
            Ok(key) => {
                names.push(AES_KEY.to_owned());
                keys.push(key);
            }
            Err(what) if keys.is_empty() => return Err(format!("{AES_KEY}: {what}")),
            Err(_) => {}
        },
        Ok(None) if keys.is_empty() => {
            return Err(format!(
                "the settings have no {AES_KEY} (AM shows it to nobody): --am-encryption-key names a file that has it"
            ));
        }
        Err(what) if keys.is_empty() => return Err(format!("{what}: --am-encryption-key names a file that has it")),
        Ok(None) | Err(_) => {}
    }
    Ok((names, keys))
}

fn aes(bytes: &[u8]) -> Result<KeyBytes, String> {
    let text = std::str::from_utf8(bytes).ok().map(str::trim);
    text.and_then(base64).ok_or_else(|| "not an AES key in base64".to_owned())
}
