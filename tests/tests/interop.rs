//! What we mint, others open; what they mint by our header rules, we open: for every algorithm and pair, with npm
//! `jose` and with Python's `joserfc`. And what `jose` makes in AM's manner, the reader of AM's tokens reads.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use countersign_core::encoding::{decode, encode};
use countersign_core::keys::{
    ContentAlg, ContentKey, KeyAlg, KeySet, KeyState, Kid, MintingKeys, SigningAlg, SigningKey,
};
use countersign_core::token::am::{Encryption, KeyBytes, Reader};
use countersign_core::token::mint::mint;
use countersign_core::token::{self, Envelope, Kind, Scratch};
use serde_json::{Map, Value, json};

const JOSERFC: &str = "joserfc==1.8.0";

fn kid(text: &str) -> Kid {
    Kid::try_from(text.to_owned()).unwrap()
}

fn rsa_der() -> Vec<u8> {
    decode(include_str!("../../crates/core/testdata/rsa-2048.pkcs8").trim().as_bytes()).unwrap()
}

fn rsa_pem() -> Value {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(rsa_der());
    json!({"pem": format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")})
}

fn signing_secret(alg: SigningAlg) -> Vec<u8> {
    match alg {
        SigningAlg::EdDsa | SigningAlg::Es256 => vec![5; 32],
        SigningAlg::Hs256 | SigningAlg::Hs384 | SigningAlg::Hs512 => vec![7; 64],
        SigningAlg::Es384 => vec![5; 48],
        SigningAlg::Es512 => [vec![0], vec![5; 65]].concat(),
        SigningAlg::Rs256 => rsa_der(),
    }
}

fn signing_jwk(alg: SigningAlg) -> Value {
    let secret = signing_secret(alg);
    let public = SigningKey::new(kid("sig"), alg, &secret).unwrap().public_bytes().unwrap_or_default();
    let ec = |crv: &str| {
        let (x, y) = public[1..].split_at(public.len() / 2);
        json!({"kty": "EC", "crv": crv, "x": encode(x), "y": encode(y), "d": encode(&secret)})
    };
    match alg {
        SigningAlg::EdDsa => json!({"kty": "OKP", "crv": "Ed25519", "x": encode(&public), "d": encode(&secret)}),
        SigningAlg::Es256 => ec("P-256"),
        SigningAlg::Es384 => ec("P-384"),
        SigningAlg::Es512 => ec("P-521"),
        SigningAlg::Rs256 => rsa_pem(),
        SigningAlg::Hs256 | SigningAlg::Hs384 | SigningAlg::Hs512 => json!({"kty": "oct", "k": encode(&secret)}),
    }
}

fn content_secret(alg: KeyAlg, enc: ContentAlg) -> Vec<u8> {
    match alg {
        KeyAlg::Dir => vec![3; enc.key_len()],
        KeyAlg::A128Kw => vec![3; 16],
        KeyAlg::A192Kw => vec![3; 24],
        KeyAlg::A256Kw => vec![3; 32],
        KeyAlg::RsaOaep256 => rsa_der(),
    }
}

/// One kind of token: how it is signed, and how it is sealed. At least one of the two.
type Shape = (Option<SigningAlg>, Option<(KeyAlg, ContentAlg)>);

/// Every signature alone and sealed, and every pair of `alg` and `enc` around one and, but for RSA, whose key anybody
/// may have, alone.
fn shapes() -> Vec<Shape> {
    let mut shapes = Vec::new();
    for sig in SigningAlg::ALL.map(Some) {
        shapes.extend([(sig, None), (sig, Some((KeyAlg::Dir, ContentAlg::A256Gcm)))]);
    }
    for alg in KeyAlg::ALL {
        shapes.extend(ContentAlg::ALL.map(|enc| (Some(SigningAlg::EdDsa), Some((alg, enc)))));
        if !alg.is_rsa() {
            shapes.extend(ContentAlg::ALL.map(|enc| (None, Some((alg, enc)))));
        }
    }
    shapes
}

fn keys((sig, pair): Shape) -> (MintingKeys, KeySet) {
    let signing = sig.map(|sig| SigningKey::new(kid("sig"), sig, &signing_secret(sig)).unwrap());
    let content = pair.map(|(alg, enc)| ContentKey::new(kid("enc"), alg, enc, &content_secret(alg, enc)).unwrap());
    let envelope = match (sig, pair) {
        (Some(_), Some(_)) => Envelope::SignThenEncrypt,
        (Some(_), None) => Envelope::Sign,
        (None, _) => Envelope::Encrypt,
    };
    let verifying = signing.iter().map(|key| (KeyState::Active, key.verification_key().unwrap())).collect();
    let opening = content.iter().map(|key| (KeyState::Active, key.clone())).collect();
    let set = KeySet::new(envelope, verifying, opening).unwrap();
    (MintingKeys::new(envelope, signing, content).unwrap(), set)
}

/// Both directions with the peer that `command` starts.
fn interoperates(mut command: Command) {
    let claims = json!({"sub": "frodo", "n": 7});
    let mut dice = 0u8;
    let mut entropy = |out: &mut [u8]| {
        out.fill_with(|| {
            dice = dice.wrapping_mul(5).wrapping_add(1);
            dice
        });
    };
    let (mut tokens, mut signing, mut content) = (Vec::new(), Map::new(), Map::new());
    for (sig, pair) in shapes() {
        let token = mint(&claims, Kind::Session, &keys((sig, pair)).0, &mut entropy).unwrap();
        if let Some(sig) = sig {
            signing.insert(sig.name().to_owned(), signing_jwk(sig));
        }
        let (alg, enc) = pair.map(|(alg, enc)| (alg.name(), enc.name())).unzip();
        if let Some((alg, enc)) = pair {
            let oct = || json!({"kty": "oct", "k": encode(&content_secret(alg, enc))});
            let key = if alg.is_rsa() { rsa_pem() } else { oct() };
            content.insert(format!("{} {}", alg.name(), enc.name()), key);
        }
        tokens.push(json!({"sig": sig.map(SigningAlg::name), "alg": alg, "enc": enc, "token": token}));
    }
    let jwe_algorithms: Vec<_> =
        KeyAlg::ALL.iter().map(|alg| alg.name()).chain(ContentAlg::ALL.iter().map(|enc| enc.name())).collect();
    let given = json!({
        "claims": claims.to_string(), "tokens": tokens, "signing": signing, "content": content,
        "jwe_algorithms": jwe_algorithms,
    });
    let theirs = made_by(&mut command, &given);
    assert_eq!(theirs.len(), shapes().len());
    for (shape, token) in shapes().into_iter().zip(&theirs) {
        let opened = token::open::<Value>(token.as_bytes(), Kind::Session, &keys(shape).1, &mut Scratch::default());
        assert_eq!(opened.map(token::Verified::into_claims), Ok(claims.clone()), "{shape:?}");
    }
    println!("{} kinds of token both ways", theirs.len());
}

/// The tokens that a peer answers with.
fn made_by(command: &mut Command, given: &Value) -> Vec<String> {
    let mut peer = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the peer starts");
    peer.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
    let output = peer.wait_with_output().unwrap();
    assert!(output.status.success(), "the peer opens what it is given");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

#[test]
fn npm_jose() {
    if !package().join("node_modules/jose").exists() {
        println!("npm jose is not installed (npm ci in tests/): skipped");
        return;
    }
    let mut node = Command::new("node");
    node.arg(package().join("interop/peer.mjs"));
    interoperates(node);
}

#[test]
fn npm_jose_in_the_manner_of_am() {
    if !package().join("node_modules/jose").exists() {
        println!("npm jose is not installed (npm ci in tests/): skipped");
        return;
    }
    let direct = Some(("dir", ContentAlg::A128CbcHs256));
    let signs = SigningAlg::ALL.into_iter().filter(|alg| *alg != SigningAlg::EdDsa);
    let mut shapes: Vec<_> =
        signs.flat_map(|sig| [(Some(sig), None, false), (Some(sig), None, true), (Some(sig), direct, false)]).collect();
    for alg in ["dir", "A128KW", "A192KW", "A256KW", "RSA-OAEP-256", "RSA-OAEP"] {
        shapes.extend(ContentAlg::ALL.map(|enc| (Some(SigningAlg::Hs256), Some((alg, enc)), false)));
    }
    shapes.extend(ContentAlg::ALL.map(|enc| (None, Some(("dir", enc)), false)));

    // What of a key goes to either side: the AES key, or RSA's private one.
    let secret = |alg: &str, enc| KeyAlg::named(alg).map_or_else(rsa_der, |alg| content_secret(alg, enc));
    let claims = json!({"sub": "id=frodo,ou=user,o=alpha", "exp": 1_800_007_200, "props": {"UserId": "frodo"}});
    let (mut tokens, mut signing, mut content) = (Vec::new(), Map::new(), Map::new());
    for (sig, pair, compressed) in &shapes {
        signing.extend(sig.map(|sig| (sig.name().to_owned(), signing_jwk(sig))));
        let (alg, enc) = pair.map(|(alg, enc)| (alg, enc.name())).unzip();
        if let Some((alg, enc)) = pair {
            let oct = || json!({"kty": "oct", "k": encode(&secret(alg, *enc))});
            content.insert(format!("{alg} {}", enc.name()), if alg.starts_with("RSA") { rsa_pem() } else { oct() });
        }
        tokens.push(json!({"sig": sig.map(SigningAlg::name), "alg": alg, "enc": enc, "compressed": compressed}));
    }
    let given = json!({"claims": claims.to_string(), "tokens": tokens, "signing": signing, "content": content});
    let theirs = made_by(Command::new("node").arg(package().join("interop/am.mjs")), &given);
    assert_eq!(theirs.len(), shapes.len());
    for ((sig, pair, compressed), token) in shapes.into_iter().zip(&theirs) {
        let verifying = sig.map(|sig| {
            let key = SigningKey::new(kid("sig"), sig, &signing_secret(sig)).unwrap();
            (sig, [KeyBytes::new(key.public_bytes().unwrap_or_else(|| signing_secret(sig)))])
        });
        let opening = pair.map(|(alg, enc)| {
            let encryption = match alg {
                "dir" => Encryption::Direct,
                "RSA-OAEP" | "RSA-OAEP-256" => Encryption::Rsa,
                _ => Encryption::AesKeywrap,
            };
            (encryption, [KeyBytes::new(secret(alg, enc))])
        });
        let signed = verifying.as_ref().map(|(sig, keys)| (*sig, &keys[..]));
        let sealed = opening.as_ref().map(|(encryption, keys)| (*encryption, &keys[..]));
        let read = Reader::new(signed, sealed, compressed).unwrap().read(token.as_bytes()).claims;
        assert_eq!(read.as_ref().map(|read| json!(read)), Ok(claims.clone()), "{sig:?} {pair:?} {compressed}");
    }
    println!("{} kinds of token of AM", theirs.len());
}

#[test]
fn python_joserfc() {
    let venv = xtask::workspace_root().join("target/venv-joserfc");
    let python = venv.join("bin/python");
    let done = |command: &mut Command| command.stdout(Stdio::null()).status().is_ok_and(|status| status.success());
    let installed = done(Command::new(&python).args(["-c", "import joserfc"]).stderr(Stdio::null()))
        || done(Command::new("python3").args(["-m", "venv"]).arg(&venv))
            && done(Command::new(&python).args(["-m", "pip", "install", "--quiet", JOSERFC]));
    if !installed {
        println!("{JOSERFC} cannot be installed with python3 and pip: skipped");
        return;
    }
    let mut peer = Command::new(&python);
    peer.arg(package().join("interop/peer.py"));
    interoperates(peer);
}
