//! Keys that were made elsewhere: the forms in which they come, and the files that settings name.

use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use countersign_core::keys::SigningAlg;
use countersign_core::time::UnixSeconds;
use countersign_store::StoredKey;
use pkcs8::PrivateKeyInfoRef;
use pkcs8::der::Decode as _;
use pkcs8::der::asn1::{ObjectIdentifier, OctetStringRef};
use zeroize::Zeroizing;

use crate::ambient::Entropy;
use crate::key_plan::{self, Step, Times};
use crate::key_purpose::{self, Algorithm, Purpose};
use crate::keyring::{self, Place};
use crate::settings::{Settings, SettingsError};

/// More than any key has, in base64.
const MAX_FILE: u64 = 16 * 1024;

pub(crate) const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
pub(crate) const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
pub(crate) const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
pub(crate) const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
pub(crate) const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// The secret in what somebody brought: base64, and for the private half of a pair also PKCS#8, as PEM or DER. Checked,
/// in the form that is stored.
pub(crate) fn read(purpose: Purpose, content: &[u8]) -> Result<Zeroizing<Vec<u8>>, String> {
    let secret = decode(purpose, content)?;
    purpose.check_secret(&secret)?;
    Ok(secret)
}

fn decode(purpose: Purpose, content: &[u8]) -> Result<Zeroizing<Vec<u8>>, String> {
    let text = std::str::from_utf8(content).map(str::trim);
    if !purpose.is_pair() {
        return text.ok().and_then(base64).ok_or_else(|| "not a secret in base64".to_owned());
    }
    match text {
        Ok(text) if text.starts_with("-----BEGIN ") => pkcs8(purpose, &pem(text)?),
        // A seed or scalar is never as long as the shortest PKCS#8 of its kind.
        Ok(text) => match base64(text).ok_or("neither PKCS#8 nor base64")? {
            der if purpose.algorithm == Algorithm::Signing(SigningAlg::Rs256) => pkcs8(purpose, &der),
            der if matches!(purpose.algorithm, Algorithm::Content(..)) || der.len() > MAX_SCALAR => {
                pkcs8(purpose, &der)
            }
            der if der.len() > 32 && purpose.algorithm == Algorithm::Signing(SigningAlg::EdDsa) => pkcs8(purpose, &der),
            raw => Ok(raw),
        },
        Err(_) => pkcs8(purpose, content),
    }
}

/// Bytes of a scalar of P-521.
const MAX_SCALAR: usize = 66;

/// Base64 may be broken into lines, as `openssl rand -base64` does.
/// AM shows its secrets in the alphabet with `+` and `/`, JWKs have the one with `-` and `_`.
pub(crate) fn base64(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let text: Zeroizing<String> = Zeroizing::new(text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect());
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [STANDARD, URL_SAFE]
        .iter()
        .find_map(|alphabet| GeneralPurpose::new(alphabet, config).decode(text.as_bytes()).ok().map(Zeroizing::new))
}

fn pem(text: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let body = text.strip_prefix("-----BEGIN PRIVATE KEY-----").and_then(|rest| {
        rest.split_once("-----END PRIVATE KEY-----").filter(|(_, after)| after.is_empty()).map(|(body, _)| body)
    });
    let Some(body) = body else {
        return Err(
            "not one unencrypted key in PKCS#8 (BEGIN PRIVATE KEY); `openssl pkcs8 -topk8 -nocrypt` makes it one"
                .to_owned(),
        );
    };
    let body: Zeroizing<String> = Zeroizing::new(body.split_ascii_whitespace().collect());
    base64(&body).ok_or_else(|| "the PEM is not base64".to_owned())
}

/// What is stored of a key in PKCS#8 (RFC 5958): of RSA the whole, else the bare number.
fn pkcs8(purpose: Purpose, der: &[u8]) -> Result<Zeroizing<Vec<u8>>, String> {
    const BAD: &str = "not a private key in PKCS#8";
    let info = PrivateKeyInfoRef::try_from(der).map_err(|_| BAD)?;
    let curve = info.algorithm.parameters_oid().ok();
    let other = || Err(format!("the key is not for {}", purpose.algorithm.name()));
    let (wanted, length): (_, usize) = match purpose.algorithm {
        Algorithm::Signing(SigningAlg::EdDsa) if info.algorithm.oid == ED25519 => {
            // RFC 8410 section 7: an octet string in the octet string.
            let seed = <&OctetStringRef>::from_der(info.private_key.as_bytes()).map_err(|_| BAD)?;
            return Ok(Zeroizing::new(seed.as_bytes().to_vec()));
        }
        Algorithm::Signing(SigningAlg::Rs256) | Algorithm::Content(..) if info.algorithm.oid == RSA => {
            return Ok(Zeroizing::new(der.to_vec()));
        }
        Algorithm::Signing(SigningAlg::Es256) => (P256, 32),
        Algorithm::Signing(SigningAlg::Es384) => (P384, 48),
        Algorithm::Signing(SigningAlg::Es512) => (P521, 66),
        _ => return other(),
    };
    if info.algorithm.oid != EC || curve != Some(wanted) {
        return other();
    }
    let key = sec1::EcPrivateKey::from_der(info.private_key.as_bytes()).map_err(|_| BAD)?;
    // RFC 5915 section 3 has it at full length; some leave leading zeros out.
    let missing = length.checked_sub(key.private_key.len()).ok_or("the key is too long for its curve")?;
    let mut scalar = Zeroizing::new(vec![0; missing]);
    scalar.extend_from_slice(key.private_key);
    Ok(scalar)
}

/// The file's content, when it is not too long to be a key. A pipe is no file: whoever opens it waits for a writer.
pub(crate) fn content(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    std::fs::metadata(path)
        .and_then(|about| if about.is_file() { std::fs::File::open(path) } else { Err(not_a_file()) })
        .map_err(|error| error.to_string())
        .and_then(whole)
        .map_err(|what| format!("cannot read {}: {what}", path.display()))
}

fn not_a_file() -> std::io::Error {
    std::io::Error::other("it is no regular file")
}

/// All that there is to read. Half of a secret would be another secret, so what is too long is refused.
pub(crate) fn whole(from: impl std::io::Read) -> Result<Zeroizing<Vec<u8>>, String> {
    let mut content = Zeroizing::new(Vec::new());
    from.take(MAX_FILE + 1).read_to_end(&mut content).map_err(|error| error.to_string())?;
    if content.len() as u64 > MAX_FILE { Err("it is too long to be a key".to_owned()) } else { Ok(content) }
}

/// A file that settings name, and where its key belongs.
pub(crate) struct KeyFile<'a> {
    /// As in the settings, with its section.
    setting: String,
    pub(crate) place: Place,
    pub(crate) path: &'a Path,
}

impl KeyFile<'_> {
    pub(crate) fn read(&self) -> Result<Zeroizing<Vec<u8>>, SettingsError> {
        let key = content(self.path).and_then(|content| {
            read(self.place.0, &content).map_err(|what| format!("{}: {what}", self.path.display()))
        });
        key.map_err(|what| SettingsError::Rule { key: self.setting.clone(), rule: format!("is refused: {what}") })
    }

    /// Whether a stored key is the one in the file.
    pub(crate) fn is(&self, key: &StoredKey, secret: &[u8]) -> bool {
        let (purpose, realm) = &self.place;
        key.purpose == purpose.name
            && key.algorithm == purpose.algorithm.name()
            && key.realm == *realm
            && *key.secret == *secret
    }
}

/// The files that settings name for a realm, or for all that have no settings of their own.
fn of<'a>(settings: &'a Settings, realm: Option<&str>) -> Vec<KeyFile<'a>> {
    let above = &settings.everywhere().session;
    let session = realm.map_or(above, |realm| &settings.realm(realm).session);
    let mut files = Vec::new();
    for purpose in key_purpose::of_session(session.format).into_iter().filter(|purpose| !purpose.is_pair()) {
        let (name, own, inherited) = match purpose.is_content() {
            true => ("statelessEncryptionAesKey", &session.aes_key_file, &above.aes_key_file),
            false => ("statelessSigningHmacSecret", &session.hmac_secret_file, &above.hmac_secret_file),
        };
        let Some(path) = own else { continue };
        let is_above = inherited.as_ref() == Some(path) && key_purpose::of_session(above.format).contains(&purpose);
        let setting = match realm.filter(|_| !is_above) {
            Some(realm) => format!("realm.{realm:?}.session.{name}"),
            None => format!("session.{name}"),
        };
        files.push(KeyFile { setting, place: (purpose, realm.map(str::to_owned)), path });
    }
    files
}

/// The files that settings name, for the realms there are.
pub(crate) fn named<'a>(rows: &[StoredKey], settings: &'a Settings) -> Vec<KeyFile<'a>> {
    keyring::realms(rows).iter().flat_map(|realm| of(settings, Some(realm))).collect()
}

/// Whether there is a key that does in every file that settings name, whatever realms there are. Where this fails, the
/// settings are not to be used: sessions would be made with keys that the operator has not meant.
pub(crate) fn check(settings: &Settings) -> Result<(), SettingsError> {
    wrong(settings).into_iter().next().map_or(Ok(()), Err)
}

/// All that [`check`] has to say, each thing once.
pub(crate) fn wrong(settings: &Settings) -> Vec<SettingsError> {
    let realms = std::iter::once(None).chain(settings.realm_names().map(Some));
    let mut wrong: Vec<SettingsError> = Vec::new();
    for error in realms.flat_map(|realm| of(settings, realm)).filter_map(|file| file.read().err()) {
        if !wrong.contains(&error) {
            wrong.push(error);
        }
    }
    wrong
}

/// Brings in the keys of those files that are not known yet; and says what is wrong with bad ones, and whose key is
/// missing for it.
pub(crate) fn steps(
    rows: &[StoredKey],
    settings: &Settings,
    moment: (UnixSeconds, Times),
    entropy: &dyn Entropy,
) -> (Vec<Step>, Vec<(Place, SettingsError)>) {
    let (mut steps, mut wrong) = (Vec::new(), Vec::new());
    for file in named(rows, settings) {
        let secret = match file.read() {
            Ok(secret) => secret,
            Err(what) => {
                wrong.push((file.place, what));
                continue;
            }
        };
        if !rows.iter().any(|key| file.is(key, &secret)) {
            let kid = key_purpose::kid(file.place.0, &secret, entropy);
            // While another key waits, this one does.
            steps.extend(key_plan::introduce(rows, &file.place, (kid, secret), false, moment).into_iter().flatten());
        }
    }
    (steps, wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key_purpose::{new_secret, purpose_of};

    fn purpose(name: &str, algorithm: &str) -> Purpose {
        purpose_of(name, algorithm).unwrap()
    }

    /// Whoever opens a pipe waits; it is not opened.
    #[test]
    fn what_is_no_regular_file_is_not_read() {
        let error = content(Path::new("/dev/null")).unwrap_err();
        assert_eq!(error, "cannot read /dev/null: it is no regular file");
    }

    /// Made with `openssl genpkey`.
    const PEMS: [(&str, &str); 4] = [
        (
            "ES256",
            "-----BEGIN PRIVATE KEY-----\n\
             MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgkn8OwJLJeAwzZ0B3\n\
             7Q7nAShcDLBD8sNZoeM2LoeveCOhRANCAARN6a9pM3nl2m+//jcbyyVmVz13tETY\n\
             6q4ocdXciUy2zOT9VH3yDealkWrr/20Yhf6CFga4TWPkl6eZfLLipm8M\n\
             -----END PRIVATE KEY-----\n",
        ),
        (
            "ES384",
            "-----BEGIN PRIVATE KEY-----\n\
             MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDByvRQ+W2DkHDhsvhr8\n\
             7d9SkFRBu8J95T7eY+bgUJXL6iChg2kp++wgrT4XKrjOszyhZANiAAS+WvHikLkb\n\
             l9aCrf/WSz7tBD20h4A8DOmJpYXHAeiw+RyTtbBTNkNisWev0Xi/GAM8SNKDt7Eg\n\
             CALFjNN3rWrPrsH5M/lKopvgJFMFuZbtroNthPtQ4i9vnqNODjspKSY=\n\
             -----END PRIVATE KEY-----\n",
        ),
        (
            "ES512",
            "-----BEGIN PRIVATE KEY-----\n\
             MIHuAgEAMBAGByqGSM49AgEGBSuBBAAjBIHWMIHTAgEBBEIAHHY3qcnRJauEDHXF\n\
             fRY6mjExukybmFk9NTzaMSWI4oL8iwTOoex950TWqfM6SRt3VRxvSvH8H//bOkd9\n\
             Iens15qhgYkDgYYABAFkTxJTHJk0XJQpMMu2BlpUqEZvWew4H58wLqeVYLfuISDe\n\
             SFywSSXy4wsqhm2EgloH1OLYV0a6lf9xd8jukpumRAAyKmQSaLxcXDsbRxXBXnBk\n\
             1GsX+2CqzRZA0iVjKaefJbtJNdA0adtZAzgqC6gUG5k6ZSe1wSia08AYPCTT7smF\n\
             9g==\n\
             -----END PRIVATE KEY-----\n",
        ),
        (
            "EdDSA",
            "-----BEGIN PRIVATE KEY-----\n\
             MC4CAQAwBQYDK2VwBCIEINZwl/bUiZ8ZF6hUlrZyag/xm8htG6CqFpqXERvFn+TU\n\
             -----END PRIVATE KEY-----\n",
        ),
    ];

    #[test]
    fn private_keys_come_as_pem_der_or_base64() {
        for (algorithm, pem) in PEMS {
            let purpose = purpose("session-signing", algorithm);
            let secret = read(purpose, pem.as_bytes()).unwrap();
            let der = super::pem(pem.trim()).unwrap();
            assert_eq!(read(purpose, &der).unwrap(), secret, "{algorithm}");
            assert_eq!(read(purpose, countersign_core::encoding::encode(&der).as_bytes()).unwrap(), secret);
            assert_eq!(read(purpose, countersign_core::encoding::encode(&secret).as_bytes()).unwrap(), secret);
            for (other, _) in PEMS.iter().filter(|(other, _)| *other != algorithm) {
                let refused = read(super::tests::purpose("session-signing", other), pem.as_bytes()).unwrap_err();
                assert_eq!(refused, format!("the key is not for {other}"));
            }
        }
        let (rs256, rsa) = (purpose("session-signing", "RS256"), purpose("session-content", "RSA-OAEP-256+A256GCM"));
        let (_, secret) = new_secret(rs256, &crate::SystemEntropy).unwrap();
        let text = countersign_core::encoding::encode(&secret);
        assert_eq!(read(rs256, text.as_bytes()).unwrap(), secret);
        assert_eq!(read(rsa, &secret).unwrap(), secret);
    }

    #[test]
    fn other_forms_are_refused_with_what_to_do() {
        let es256 = purpose("session-signing", "ES256");
        let sec1 = PEMS[0].1.replace("PRIVATE KEY", "EC PRIVATE KEY");
        assert!(read(es256, sec1.as_bytes()).unwrap_err().contains("openssl pkcs8 -topk8 -nocrypt"));
        for bad in ["", "-----BEGIN PRIVATE KEY-----", "?", "-----BEGIN PRIVATE KEY-----AAAA-----END PRIVATE KEY-----x"]
        {
            assert!(read(es256, bad.as_bytes()).is_err(), "{bad}");
        }
        let hs256 = purpose("session-signing", "HS256");
        assert_eq!(read(hs256, PEMS[0].1.as_bytes()).unwrap_err(), "not a secret in base64");
        assert!(read(hs256, b"c2hvcnQ=").unwrap_err().contains("at least 256 bits"));
    }

    #[test]
    fn base64_may_have_lines_and_nothing_is_cut_off() {
        let hs512 = purpose("session-signing", "HS512");
        // As `openssl rand -base64 64` prints it.
        let lines = "NZog+X84fdQkBS7di4zQ5XWzPLyRrAYjZAxQ5Q1fZ8pLzESfV3J48N8zggCEX/Lc\nnoTs7VucBUwtFg/5Js3Y5Q==\n";
        for text in [lines.to_owned(), lines.replace('\n', "\r\n"), lines.replace('\n', "")] {
            assert_eq!(read(hs512, text.as_bytes()).unwrap().len(), 64);
        }
        assert_eq!(read(hs512, lines.replace('\n', " ").as_bytes()).unwrap_err(), "not a secret in base64");
        let long = vec![b'A'; usize::try_from(MAX_FILE).unwrap() + 1];
        assert_eq!(whole(&long[1..]).unwrap().len(), long.len() - 1);
        assert_eq!(whole(&*long).unwrap_err(), "it is too long to be a key");
    }
}
