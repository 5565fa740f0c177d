//! The attack list's cookie (C) and token (J) cases that a request can carry, as one table that runs against the origin
//! and the edge alike: what one of them takes, the other must not be asked about. The forger has the realm's real keys,
//! so that each case fails for what it is about and not for a signature that would not verify anyway.
//! Long because the list is: a case is a line or two, and it is read from top to bottom beside the list.

use std::cell::OnceCell;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aes_gcm::aead::AeadInOut as _;
use aes_gcm::{Aes256Gcm, KeyInit as _};
use countersign_core::encoding::{decode, encode};
use countersign_core::keys::{ContentAlg, ContentKey, KeyAlg, MintingKeys, SigningAlg, SigningKey};
use countersign_core::token::mint::mint;
use countersign_core::token::{Envelope, Kind};
use countersign_store::{MasterKey, Store, StoredKey};
use countersign_tests::{Answer, World, cookie, eventually, json_path, log_out, send};
use ed25519_dalek::Signer as _;
use ring::digest::SHA256;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::{Pkcs1v15Sign, RsaPrivateKey};
use serde_json::{Value, json};
use xtask::stack::{COOKIE_NAME, DEMO_PASSWORD, DEMO_USER, DenylistProfile, StackOptions};

/// A case: its id, and the lines of the request's head that carry it, byte by byte.
type Case = (&'static str, Vec<Vec<u8>>);

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn world(encryption: &str) -> World {
    world_signed_with("EdDSA", encryption)
}

fn world_signed_with(signing: &str, encryption: &str) -> World {
    world_of(signing, encryption, "A256GCM", |_| {})
}

fn world_of(signing: &str, encryption: &str, method: &str, adjust: impl FnOnce(&mut StackOptions)) -> World {
    World::with(DenylistProfile::Default, |options| {
        for (name, value) in [
            ("STATELESSSIGNINGTYPE", signing),
            ("STATELESSENCRYPTIONTYPE", encryption),
            ("ORG_FORGEROCK_OPENAM_SESSION_STATELESS_ENCRYPTION_METHOD", method),
        ] {
            options.origin_env.push((format!("COUNTERSIGN__SESSION__{name}"), value.into()));
        }
        // Where a policy does not look at the level, it cannot be what refuses.
        options.settings = json!({ "routes": [] });
        adjust(options);
    })
}

/// What the origin mints with.
struct Forger {
    signing: StoredKey,
    content: StoredKey,
    journey: StoredKey,
    /// Of an RSA key, which takes its time to load.
    rsa: OnceCell<RsaPrivateKey>,
}

impl Forger {
    fn of(world: &World) -> Self {
        Self::signing_with("EdDSA", world)
    }

    fn signing_with(algorithm: &str, world: &World) -> Self {
        Self::with_keys(algorithm, "A256GCM", world)
    }

    fn with_keys(algorithm: &str, encryption: &str, world: &World) -> Self {
        let state = world.stack.dir();
        let master = MasterKey::from_text(&std::fs::read_to_string(state.join("master.key")).unwrap()).unwrap();
        let mut keys = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let store = Store::open(&state.join("countersign.db"), master).await.unwrap();
            let keys = store.keys().list().await.unwrap();
            store.close().await;
            keys
        });
        // Tokens of one layer have keys of their own; where nothing is sealed, any other content key does.
        let mut find = |purposes: [&str; 2], algorithm: &str| {
            let place = |purpose| keys.iter().position(|key| key.purpose == purpose && key.algorithm == algorithm);
            let found = purposes.into_iter().find_map(place);
            keys.swap_remove(found.unwrap_or_else(|| panic!("no {purposes:?} {algorithm}")))
        };
        Self {
            signing: find(["session-signing", "session-signing-alone"], algorithm),
            content: find(["session-content", "journey-content"], encryption),
            journey: find(["journey-signing"; 2], "HS256"),
            rsa: OnceCell::new(),
        }
    }

    fn alg(&self) -> SigningAlg {
        SigningAlg::named(&self.signing.algorithm).unwrap()
    }

    fn key(&self) -> SigningKey {
        SigningKey::new(self.signing.kid.clone(), self.alg(), &self.signing.secret).unwrap()
    }

    /// Another key under the same name.
    fn stranger(&self) -> SigningKey {
        SigningKey::ed25519(self.signing.kid.clone(), &[9; 32])
    }

    fn header(&self) -> Value {
        json!({ "alg": self.signing.algorithm, "kid": self.signing.kid, "typ": "session+jwt" })
    }

    /// Over anything, as no product of ours does it.
    fn signature(&self, input: &[u8]) -> Vec<u8> {
        let (secret, random) = (self.signing.secret.as_slice(), SystemRandom::new());
        match self.alg() {
            SigningAlg::EdDsa => {
                let seed: [u8; 32] = secret.try_into().unwrap();
                ed25519_dalek::SigningKey::from_bytes(&seed).sign(input).to_bytes().to_vec()
            }
            SigningAlg::Es256 => {
                let (curve, public) = (&ECDSA_P256_SHA256_FIXED_SIGNING, self.key().public_bytes().unwrap());
                let pair = EcdsaKeyPair::from_private_key_and_public_key(curve, secret, &public, &random).unwrap();
                pair.sign(&random, input).unwrap().as_ref().to_vec()
            }
            SigningAlg::Rs256 => {
                let key = self.rsa.get_or_init(|| RsaPrivateKey::from_pkcs8_der(secret).unwrap());
                let hashed = ring::digest::digest(&SHA256, input);
                key.sign(Pkcs1v15Sign::new_unprefixed(), &[&SHA256_PREFIX, hashed.as_ref()].concat()).unwrap()
            }
            other => panic!("{other:?} is not among the attacks"),
        }
    }

    /// A JWS with any header and payload, by the realm's own key.
    fn jws(&self, header: &str, payload: &[u8]) -> String {
        let input = format!("{}.{}", encode(header.as_bytes()), encode(payload));
        format!("{input}.{}", encode(&self.signature(input.as_bytes())))
    }

    fn claims(&self, claims: &Value) -> String {
        self.jws(&self.header().to_string(), claims.to_string().as_bytes())
    }

    /// A good seal around anything.
    fn sealed(&self, inner: &str) -> String {
        let header = json!({
            "alg": "dir", "enc": "A256GCM", "kid": self.content.kid, "typ": "session+jwt", "cty": "JWT",
        });
        let header = encode(header.to_string().as_bytes());
        let cipher = Aes256Gcm::new_from_slice(&self.content.secret).unwrap();
        let (mut content, iv) = (inner.as_bytes().to_vec(), [7; 12]);
        let tag = cipher.encrypt_inout_detached(&iv.into(), header.as_bytes(), content.as_mut_slice().into()).unwrap();
        format!("{header}..{}.{}.{}", encode(&iv), encode(&content), encode(&tag))
    }

    fn nested(&self, envelope: Envelope, signing: SigningKey, kind: Kind, claims: &Value) -> String {
        // RSA draws until a number fits, which dice that repeat themselves may never give.
        self.nested_by(&mut |out: &mut [u8]| SystemRandom::new().fill(out).unwrap(), envelope, signing, kind, claims)
    }

    fn nested_by(
        &self,
        dice: &mut impl FnMut(&mut [u8]),
        envelope: Envelope,
        signing: SigningKey,
        kind: Kind,
        claims: &Value,
    ) -> String {
        let (alg, enc) = self.content.algorithm.split_once('+').unwrap_or(("dir", &self.content.algorithm));
        let (alg, enc) = (KeyAlg::named(alg).unwrap(), ContentAlg::named(enc).unwrap());
        let content = ContentKey::new(self.content.kid.clone(), alg, enc, &self.content.secret).unwrap();
        let keys = MintingKeys::new(envelope, Some(signing), Some(content)).unwrap();
        mint(claims, kind, &keys, dice).unwrap()
    }
}

/// `DigestInfo` up to the hash (RFC 8017 §9.2, note 1).
const SHA256_PREFIX: [u8; 19] = [0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20];

/// Claims that pass, for the cases to spoil.
fn good_claims() -> Value {
    json!({
        "sid": encode(&[1; 16]), "sub": "demo", "realm": "/alpha", "iat": now() - 1, "exp": now() + 3600, "fexp": now() + 3600,
        "rvs": 0, "lvl": 0, "amr": ["pwd"], "jti": encode(&[2; 12]),
    })
}

fn with(mut claims: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

fn in_cookie(token: &str) -> Vec<Vec<u8>> {
    vec![format!("cookie: {}", cookie(token)).into_bytes()]
}

/// The status of a GET with exactly these lines; 0 when the connection was closed without an answer.
fn raw(base: &str, target: &str, lines: &[Vec<u8>]) -> u16 {
    let authority = base.strip_prefix("http://").unwrap();
    let mut tcp = TcpStream::connect(authority.replace("localhost", "127.0.0.1")).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut request =
        format!("GET {target} HTTP/1.1\r\nhost: {authority}\r\naccept: application/json\r\n").into_bytes();
    for line in lines {
        request.extend_from_slice(line);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"connection: close\r\n\r\n");
    // A server may stop reading and close before all is sent.
    let _ = tcp.write_all(&request);
    let mut answer = Vec::new();
    let _ = tcp.take(64).read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

/// The statuses at the edge and at the origin.
fn ask(world: &World, target: &str, lines: &[Vec<u8>]) -> [u16; 2] {
    let query = target.find('?').map_or("", |at| &target[at..]);
    [
        raw(&world.stack.edge_url(), &format!("/{query}"), lines),
        raw(&world.stack.origin_url(), &format!("/am/json/serverinfo/version{query}"), lines),
    ]
}

fn run(world: &World, cases: &[Case]) {
    let mut wrong = Vec::new();
    for (id, lines) in cases {
        let statuses = ask(world, "/", lines);
        if !statuses.iter().all(|status| matches!(status, 0 | 400 | 401 | 431)) {
            wrong.push(format!("{id}: edge and origin say {statuses:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The same tokens named in a body, which no cookie grammar stands before.
fn run_validate(world: &World, tokens: &[(&'static str, String)]) {
    for (id, token) in tokens {
        let headers = [("accept-api-version", "resource=4.0"), ("content-type", "application/json")];
        let url = format!("{}/am/json/sessions?_action=validate", world.stack.origin_url());
        let answer = send("POST", &url, &headers, &json!({ "tokenId": token }).to_string());
        let refused = answer.status == 200 && answer.json()["valid"] == false;
        assert!(refused || matches!(answer.status, 400 | 401 | 413), "{id}: {answer:?}");
    }
}

fn all(world: &World, tokens: Vec<(&'static str, String)>) {
    run_validate(world, &tokens);
    let cases: Vec<Case> = tokens
        .iter()
        .flat_map(|(id, token)| [(*id, in_cookie(token)), (*id, vec![format!("{COOKIE_NAME}: {token}").into_bytes()])])
        .collect();
    run(world, &cases);
}

#[test]
fn c_cookies() {
    let world = world("DIRECT");
    let (token, other) = (world.log_in(), world.log_in());
    let name = COOKIE_NAME;
    let line = |text: String| text.into_bytes();
    let header = |token: &str| line(format!("{name}: {token}"));
    let good = line(format!("cookie: {name}={token}"));

    // What passes, so that what follows is refused for its own sake.
    for lines in [
        vec![good.clone()],
        vec![header(&token)],
        vec![line(format!("{}: {token}", name.to_uppercase()))],
        vec![good.clone(), header(&token)],
        vec![line("cookie: theme=dark".into()), header(&token)],
        vec![line(format!("cookie: a=1; {name}={token}; b=\"x\""))],
    ] {
        let shown = String::from_utf8_lossy(&lines.concat()).into_owned();
        assert_eq!(ask(&world, "/", &lines), [200, 200], "{shown:.60}");
    }

    let headers = [("accept", "application/json"), (name, token.as_str())];
    let seen = send("GET", &world.edge("/?format=json"), &headers, "").json();
    assert_eq!((&seen["user"], &seen["assertion"]["verified"]), (&json!("demo"), &json!(true)));
    assert!(!seen["headers"].to_string().contains(&token), "the session is not passed on: {seen}");

    let mut cases: Vec<Case> = Vec::new();
    for other in ["sess", "iplanetdirectorypro", "IPLANETDIRECTORYPRO", "__Host-iPlanetDirectoryPro", "__Secure-sess"] {
        cases.push(("C01", vec![line(format!("cookie: {other}={token}"))]));
    }
    for blank in [&b"\xe2\x80\x80"[..], b"\xc2\xa0", b"\x85", b"\x0b", b"\x0c"] {
        cases.push(("C02", vec![[b"cookie: ", blank, name.as_bytes(), b"=", token.as_bytes()].concat()]));
    }
    cases.push(("C03", vec![line(format!("cookie: $Version=1; {name}=\"{token}\"; $Path=/"))]));
    for (first, second) in
        [(token.as_str(), "x"), ("x", token.as_str()), (&token, &other), (&token, &token), ("", &token)]
    {
        cases.push(("C04", vec![line(format!("cookie: {name}={first}; {name}={second}"))]));
        cases.push(("C05", vec![line(format!("cookie: {name}={first}")), line(format!("cookie: {name}={second}"))]));
        cases.push(("C05", vec![line(format!("cookie: {name}={first}, {name}={second}"))]));
    }
    for (in_cookie, in_header) in [(&token, &other), (&token, &"x".to_owned()), (&"x".to_owned(), &token)] {
        cases.push(("C04 header", vec![line(format!("cookie: {name}={in_cookie}")), header(in_header)]));
    }
    cases.push(("C05 header", vec![header(&token), header(&token)]));
    cases.push(("C05 header", vec![header(&format!("{token}, {token}"))]));
    cases.push(("C05 header", vec![header("")]));
    for crumb in [format!("={name}={token}"), name.to_owned(), token.clone(), format!("{name} {token}")] {
        cases.push(("C06", vec![line(format!("cookie: {crumb}"))]));
    }
    for text in [
        format!("{name}=\"{token}\""),
        format!("x=\"; {name}=evil; y=\""),
        format!("a=1, {name}={token}"),
        format!("a, {name}={token}"),
        format!("a, {name}=evil; {name}={token}"),
        format!("{name}={token},x"),
        format!("{name}={token} x"),
    ] {
        cases.push(("C07", vec![line(format!("cookie: {text}"))]));
    }
    let jar: Vec<String> = (0..200).map(|number| format!("c{number}=v")).collect();
    cases.push(("C08", vec![line(format!("cookie: {}; x{name}={token}", jar.join("; ")))]));
    cases.push(("C08", vec![line(format!("cookie: {name}={token}; pad={}", "x".repeat(17_000)))]));
    let (head, tail) = token.split_at(token.len() / 2);
    cases.push(("C09", vec![line(format!("cookie: {name}.0={head}; {name}.1={tail}"))]));
    cases.push(("C09", vec![line(format!("cookie: {name}={head}; {name}.1={tail}"))]));
    cases.push(("C09", vec![line(format!("cookie: {name}.1={tail}; {name}.0={head}"))]));
    cases.push(("C09", vec![line(format!("cookie: {name}.0={head}; {name}.0={head}; {name}.1={tail}"))]));
    cases.push(("C09", vec![line(format!("cookie: {name}.0={token}"))]));
    cases.push(("C09", vec![line(format!("cookie: {name}.0={head}; {name}.1={}", &other[other.len() / 2..]))]));
    let hundred: Vec<String> = (0..100).map(|number| format!("{name}.{number}={}", &token[number..=number])).collect();
    cases.push(("C09", vec![line(format!("cookie: {}", hundred.join("; ")))]));
    cases.push(("C11", vec![line(format!("authorization: Bearer {token}"))]));
    cases.push(("C11", vec![line(format!("authorization: {name} {token}"))]));
    for byte in [0u8, b'\r', 0x80, 0xff, 0x7f, 1] {
        let value = [token.as_bytes(), &[byte], b"x"].concat();
        cases.push(("C15", vec![[format!("cookie: {name}=").as_bytes(), &value].concat()]));
        cases.push(("C15 header", vec![[format!("{name}: ").as_bytes(), &value].concat()]));
    }
    run(&world, &cases);
    for (path, body) in [("/", &token), ("/am/json/realms/root/realms/alpha/sessions?_action=getSessionInfo", &token)] {
        let form = format!("{name}={body}");
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json")];
        let base = if path == "/" { world.stack.edge_url() } else { world.stack.origin_url() };
        let answer = send("POST", &format!("{base}{path}"), &headers, &form);
        assert!(matches!(answer.status, 400 | 401 | 415), "C11: {answer:?}");
    }
    for target in [format!("/?{name}={token}"), format!("/?tokenId={token}"), format!("/?session={token}")] {
        assert_eq!(ask(&world, &target, &[]), [401, 401], "C11");
    }
    assert_eq!(ask(&world, "/", &[good]), [200, 200], "the session itself came to no harm");
}

/// Answers that set the cookie, or take it away: one line, complete, for no cache, and the same by which browsers tell
/// cookies apart.
#[test]
fn c10_c12_c13_c14_the_cookie_is_set_and_cleared_whole() {
    let world = world("DIRECT");
    let cookies = |answer: &Answer| -> Vec<String> {
        let lines = answer.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
        lines.map(|(_, value)| value.clone()).collect()
    };
    let no_store = |answer: &Answer| assert_eq!(answer.header("cache-control"), "no-store", "C13: {answer:?}");
    for base in [world.stack.edge_url(), world.stack.origin_url()] {
        let headers = [
            ("accept-api-version", "resource=2.0, protocol=1.0"),
            ("content-type", "application/json"),
            ("x-openam-username", DEMO_USER),
            ("x-openam-password", DEMO_PASSWORD),
        ];
        let login = send("POST", &format!("{base}{}", json_path("authenticate")), &headers, "{}");
        let token = login.json()["tokenId"].as_str().unwrap().to_owned();
        let [set] = <[String; 1]>::try_from(cookies(&login)).unwrap_or_else(|lines| panic!("C10: {lines:?}"));
        let attributes = set.strip_prefix(&format!("{COOKIE_NAME}={token}; ")).unwrap_or_else(|| panic!("C12: {set}"));
        // On plain http, where the stack runs; `Secure` comes with https, and host-only it is in any case.
        assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax", "C12");
        assert!(set.len() <= 4096, "C12: {} bytes", set.len());
        no_store(&login);
        // Once to end the session, once more when it is dead.
        for status in [200, 401] {
            let out = log_out(&base, &token);
            assert_eq!(out.status, status, "{out:?}");
            let [cleared] = <[String; 1]>::try_from(cookies(&out)).unwrap_or_else(|lines| panic!("C14: {lines:?}"));
            let kept: Vec<&str> = cleared
                .split("; ")
                .filter(|part| !part.starts_with("Max-Age=") && !part.starts_with("Expires="))
                .collect();
            assert_eq!(kept.join("; "), format!("{COOKIE_NAME}=; {attributes}"), "C14");
            assert!(cleared.contains("Max-Age=0"), "C14: {cleared}");
            no_store(&out);
        }
    }

    // A page whose answer renews the session, with a shared cache in between: there is nothing for a second client.
    let forger = Forger::of(&world);
    let due = with(good_claims(), json!({ "iat": now() - 600, "idle": 1800 }));
    let token = forger.nested(Envelope::SignThenEncrypt, forger.key(), Kind::Session, &due);
    let page = world.page(&token);
    assert!(page.header("set-cookie").starts_with(&format!("{COOKIE_NAME}=")), "{page:?}");
    no_store(&page);
    let second = send("GET", &world.edge("/?format=json"), &[("accept", "application/json")], "");
    assert_eq!((second.status, second.header("set-cookie")), (401, ""), "C13: {second:?}");
    no_store(&second);
}

#[test]
fn j_signed_tokens() {
    refuses_signed_tokens("EdDSA");
}

/// The same where the edge's host verifies: what is wrong with a token is the token's fault, and not to be tried later.
#[test]
fn j_tokens_signed_with_es256() {
    refuses_signed_tokens("ES256");
}

#[test]
fn j_tokens_signed_with_rs256() {
    refuses_signed_tokens("RS256");
}

/// The order of P-256: modulo it, it is 0 (J25).
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7,
    0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// What never was a signature, or was one in another form.
fn no_signatures(alg: SigningAlg, good: &[u8]) -> Vec<Vec<u8>> {
    let length = good.len();
    let one = |bytes: usize| [vec![0; bytes - 1], vec![1]].concat();
    let mut wrong = vec![Vec::new(), vec![0; length], vec![0xff; length], one(length)];
    for other in [1, length - 1, length + 1, 2 * length, 32, 63, 65, 12_000] {
        let mut bytes = good.to_vec();
        bytes.resize(other, 0);
        wrong.push(bytes);
    }
    if alg == SigningAlg::Es256 {
        let (r, s) = good.split_at(32);
        let (zero, order) = ([0; 32].as_slice(), P256_ORDER.as_slice());
        let pairs = [(&*one(32), &*one(32)), (r, zero), (zero, s), (r, order), (order, s), (order, order), (s, r)];
        wrong.extend(pairs.map(|(r, s)| [r, s].concat()));
        // ASN.1, as X.509 has it.
        let number = |bytes: &[u8]| [&[2, 33, 0][..], bytes].concat();
        wrong.push([&[0x30, 70][..], &number(r), &number(s)].concat());
    }
    wrong
}

fn refuses_signed_tokens(algorithm: &str) {
    let world = world_signed_with(algorithm, "NONE");
    let forger = Forger::signing_with(algorithm, &world);
    let claims = good_claims();
    let good = forger.claims(&claims);
    assert_eq!(ask(&world, "/", &in_cookie(&good)), [200, 200], "the forger's tokens pass where nothing is wrong");
    let payload = claims.to_string();
    let header = forger.header().to_string();
    let (input, signature) = good.rsplit_once('.').unwrap();
    let kid = forger.signing.kid.as_str();

    let mut tokens: Vec<(&'static str, String)> = Vec::new();
    for alg in ["none", "None", "nOnE", " none", "none\u{0}", ""] {
        let spoilt = forger.jws(&with(forger.header(), json!({ "alg": alg })).to_string(), payload.as_bytes());
        let bare = format!("{}.", spoilt.rsplit_once('.').unwrap().0);
        tokens.extend([("J01/J02", spoilt), ("J01/J02", bare)]);
    }
    let public = forger.key().public_bytes().unwrap();
    let confused = SigningKey::hs256(forger.signing.kid.clone(), &public).unwrap();
    let keys = MintingKeys::new(Envelope::Sign, Some(confused), None).unwrap();
    tokens.push(("J03", mint(&claims, Kind::Session, &keys, &mut |_: &mut [u8]| {}).unwrap()));
    // Whoever follows an address in a token is seen here.
    let attacker = TcpListener::bind("127.0.0.1:0").unwrap();
    attacker.set_nonblocking(true).unwrap();
    let address = format!("http://{}", attacker.local_addr().unwrap());
    for (id, extra) in [
        ("J04", json!({ "jwk": { "kty": "OKP", "crv": "Ed25519", "x": encode(&public) } })),
        ("J05", json!({ "jku": format!("{address}/keys") })),
        ("J05", json!({ "x5u": format!("{address}/chain") })),
        ("J06", json!({ "x5c": ["MIIB"] })),
        ("J06", json!({ "x5t": encode(&[1; 20]) })),
        ("J06", json!({ "x5t#S256": encode(&[1; 32]) })),
        ("J10", json!({ "crit": ["exp"] })),
        ("J10", json!({ "crit": [] })),
        ("J10", json!({ "crit": ["unknown"], "unknown": 1 })),
        ("J10", json!({ "b64": false })),
        ("J10", json!({ "b64": false, "crit": ["b64"] })),
        ("J19", json!({ "zip": "DEF" })),
        ("J20", json!({ "p2c": 2_147_483_648u64 })),
        ("J16", json!({ "cty": "JWT" })),
    ] {
        tokens.push((id, forger.jws(&with(forger.header(), extra).to_string(), payload.as_bytes())));
    }
    tokens.push((
        "J10",
        forger.jws(
            &format!(r#"{{"alg":"{algorithm}","kid":"{kid}","typ":"session+jwt","crit":["exp"],"crit":[]}}"#),
            payload.as_bytes(),
        ),
    ));
    for id in [
        json!("../../dev/null"),
        json!("' OR 1=1--"),
        json!(""),
        json!("\u{0}"),
        json!("a\r\nb"),
        json!(7),
        json!(null),
        json!("k".repeat(10_000)),
        json!([kid]),
        json!(format!("{kid} ")),
    ] {
        tokens.push(("J07", forger.jws(&with(forger.header(), json!({ "kid": id })).to_string(), payload.as_bytes())));
    }
    let others = ["EdDSA", "ES256", "ES384", "HS256", "RS256", "RS384", "PS256", "EDDSA", "es256"];
    for alg in others.into_iter().filter(|other| *other != algorithm) {
        tokens.push(("J08", forger.jws(&with(forger.header(), json!({ "alg": alg })).to_string(), payload.as_bytes())));
    }
    for twice in [
        format!(r#"{{"alg":"{algorithm}","alg":"{algorithm}","kid":"{kid}","typ":"session+jwt"}}"#),
        format!(r#"{{"alg":"none","alg":"{algorithm}","kid":"{kid}","typ":"session+jwt"}}"#),
    ] {
        tokens.push(("J11", forger.jws(&twice, payload.as_bytes())));
    }
    for member in ["exp", "sub", "sid", "realm", "idle"] {
        let value = claims.get(member).cloned().unwrap_or(json!(5000));
        let doubled = format!("{},\"{member}\":{value},\"{member}\":{value}}}", &payload[..payload.len() - 1]);
        tokens.push(("J11", forger.jws(&header, doubled.as_bytes())));
    }
    for wrong in [r#""9999999999""#, "1e400", "-1", "null", "[1]", "1.5", "{}", "true"] {
        for name in ["exp", "fexp", "iat", "rvs", "idle", "auth_time"] {
            let mut spoilt = claims.clone();
            spoilt.as_object_mut().unwrap().remove(name);
            let text = spoilt.to_string();
            let text = format!("{},\"{name}\":{wrong}}}", &text[..text.len() - 1]);
            tokens.push(("J12", forger.jws(&header, text.as_bytes())));
        }
    }
    // (`fexp` is absent where it is `exp`.)
    for name in ["exp", "iat", "sub", "sid", "realm", "rvs", "jti"] {
        let mut spoilt = claims.clone();
        spoilt.as_object_mut().unwrap().remove(name);
        tokens.push(("J12", forger.claims(&spoilt)));
    }
    // 64 bytes leave 4 bits in the last character, and so do 256: 15 other spellings of the same signature.
    let (most, last) = good.split_at(good.len() - 1);
    let spellings = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    tokens.extend(spellings.chars().filter(|c| last != c.to_string()).map(|c| ("J13", format!("{most}{c}"))));
    for text in [format!("{good}="), good.replacen('.', "%2E", 1), format!("{good}+"), format!("{good}/")] {
        tokens.push(("J14", text));
    }
    let flattened = json!({ "protected": encode(header.as_bytes()), "payload": encode(payload.as_bytes()), "signature": signature });
    tokens.push(("J15", flattened.to_string()));
    for text in [
        input.to_owned(),
        format!("{good}."),
        format!("{good}.{signature}"),
        format!("{good}.."),
        format!(".{good}"),
        format!(".{}.{signature}", encode(payload.as_bytes())),
        format!("{}..{signature}", encode(header.as_bytes())),
    ] {
        tokens.push(("J16", text));
    }
    tokens.push(("J16", forger.nested(Envelope::SignThenEncrypt, forger.key(), Kind::Session, &claims)));
    let bytes = decode(signature.as_bytes()).unwrap();
    if forger.alg() == SigningAlg::EdDsa {
        tokens.push(("J26", format!("{input}.{}", encode(&with_s_plus_l(&bytes)))));
    }
    for wrong in no_signatures(forger.alg(), &bytes) {
        tokens.push(("J25/J26", format!("{input}.{}", encode(&wrong))));
    }
    for typ in
        ["journey+jwt", "heartbeat+jwt", "assertion+jwt", "JWT", "at+jwt", "session+JWT", "application/session+jwt", ""]
    {
        tokens.push(("J28", forger.jws(&with(forger.header(), json!({ "typ": typ })).to_string(), payload.as_bytes())));
    }
    let journey = SigningKey::hs256(forger.journey.kid.clone(), &forger.journey.secret).unwrap();
    let journey = MintingKeys::new(Envelope::Sign, Some(journey), None).unwrap();
    tokens.push(("J28", mint(&claims, Kind::Session, &journey, &mut |_: &mut [u8]| {}).unwrap()));
    // The realm is issuer and audience in one.
    for realm in ["/", "/beta", "/alpha/sub", ""] {
        tokens.push(("J29", forger.claims(&with(claims.clone(), json!({ "realm": realm })))));
    }
    for realm in ["/alpha/", "/Alpha", "alpha", "//alpha", "/alpha\u{0}", "https://x@/alpha", "/\u{430}lpha"] {
        tokens.push(("J30", forger.claims(&with(claims.clone(), json!({ "realm": realm })))));
    }
    tokens.push(("J29", forger.claims(&with(claims.clone(), json!({ "realm": ["/alpha", "/beta"] })))));
    for times in [
        json!({ "iat": now() + 600 }),
        json!({ "exp": now() - 61 }),
        json!({ "exp": now() - 1 }),
        // The last second has no leeway, and time only goes on from here.
        json!({ "exp": now() }),
        json!({ "fexp": now() }),
        json!({ "iat": now() - 60, "idle": 60 }),
        json!({ "fexp": now() - 1 }),
        json!({ "exp": 0 }),
        // S16: not used for as long as it may be.
        json!({ "iat": now() - 61, "idle": 60 }),
        json!({ "idle": 0 }),
    ] {
        tokens.push(("J31/S16", forger.claims(&with(claims.clone(), times))));
    }
    tokens.push(("J32", forger.jws(&format!("\u{feff}{header}"), payload.as_bytes())));
    let utf16: Vec<u8> = payload.encode_utf16().flat_map(u16::to_le_bytes).collect();
    tokens.push(("J32", forger.jws(&header, &utf16)));
    let with_sub = |sub: &[u8]| {
        let (before, after) = payload.split_once("\"demo\"").unwrap();
        [before.as_bytes(), b"\"", sub, b"\"", after.as_bytes()].concat()
    };
    for sub in [&b"\xc0\xaf"[..], b"\xff", b"\\ud800", b"\0"] {
        tokens.push(("J32", forger.jws(&header, &with_sub(sub))));
    }
    // Depth and digits where a claim has a type; members that nobody knows are skipped without recursion.
    let deep = format!("{}{}", "[".repeat(3000), "]".repeat(3000));
    for (name, value) in [("p", deep.clone()), ("amr", deep), ("idle", format!("1{}", "0".repeat(9000)))] {
        let text = with(claims.clone(), json!({ name: "here" })).to_string().replace("\"here\"", &value);
        tokens.push(("J33", forger.jws(&header, text.as_bytes())));
    }
    tokens.push(("J33", forger.claims(&with(claims.clone(), json!({ "p": { "x": "y".repeat(16_000) } })))));
    // The leeway for clocks that are ahead: a minute is taken. (A second more is judged where the clock stands still.)
    let early = forger.claims(&with(claims.clone(), json!({ "iat": now() + 60 })));
    assert_eq!(ask(&world, "/", &in_cookie(&early)), [200, 200]);
    for length in [4097, 8193, 16_385, 65_536] {
        let padding = "y".repeat(length - good.len());
        let (input, signature) = good.rsplit_once('.').unwrap();
        tokens.push(("J33", format!("{input}{padding}.{signature}")));
        tokens.push(("J33", format!("{good}{padding}")));
    }
    // J34: right after the true one was verified and remembered.
    assert_eq!(ask(&world, "/", &in_cookie(&good)), [200, 200]);
    let other = forger.claims(&with(claims.clone(), json!({ "sub": "eve" })));
    tokens.push(("J34", format!("{input}.{}", other.rsplit_once('.').unwrap().1)));
    tokens.push(("J34", format!("{}.{signature}", other.rsplit_once('.').unwrap().0)));
    all(&world, tokens);
    assert_eq!(ask(&world, "/", &in_cookie(&good)), [200, 200]);
    let caller = attacker.accept().map(|(_, address)| address);
    assert!(caller.is_err(), "J05: a key was asked for by {caller:?}");
}

/// The order of the group added to `s`: the same equation, another signature (RFC 8032 §8.4).
fn with_s_plus_l(signature: &[u8]) -> Vec<u8> {
    const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut out = signature.to_vec();
    let mut carry = 0u16;
    for (byte, add) in out[32..].iter_mut().zip(L) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    out
}

#[test]
fn j_nested_tokens() {
    let world = world("DIRECT");
    let forger = Forger::of(&world);
    let claims = good_claims();
    let good = forger.nested(Envelope::SignThenEncrypt, forger.key(), Kind::Session, &claims);
    assert_eq!(ask(&world, "/", &in_cookie(&good)), [200, 200]);
    let parts: Vec<&str> = good.split('.').collect();
    let changed = |at: usize, part: String| {
        let mut parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
        parts[at] = part;
        parts.join(".")
    };

    let mut tokens: Vec<(&'static str, String)> = vec![
        ("J16", forger.claims(&claims)),
        ("J17", forger.nested(Envelope::Encrypt, forger.key(), Kind::Session, &claims)),
        ("J18", forger.nested(Envelope::SignThenEncrypt, forger.stranger(), Kind::Session, &claims)),
        ("J28", forger.nested(Envelope::SignThenEncrypt, forger.key(), Kind::Journey, &claims)),
        ("J28", forger.nested(Envelope::SignThenEncrypt, forger.key(), Kind::Heartbeat, &claims)),
        (
            "J29",
            forger.nested(
                Envelope::SignThenEncrypt,
                forger.key(),
                Kind::Session,
                &with(claims.clone(), json!({ "realm": "/beta" })),
            ),
        ),
        (
            "J31",
            forger.nested(
                Envelope::SignThenEncrypt,
                forger.key(),
                Kind::Session,
                &with(claims.clone(), json!({ "exp": now() - 1 })),
            ),
        ),
        ("J21", changed(1, "AAAA".into())),
        ("J16", parts[..4].join(".")),
        ("J16", format!("{good}.")),
    ];
    for (at, lengths) in [(4, vec![0, 4, 8, 12, 15, 17]), (2, vec![0, 11, 13, 16])] {
        for length in lengths {
            let mut bytes = decode(parts[at].as_bytes()).unwrap();
            bytes.resize(length, 0);
            tokens.push(("J21", changed(at, encode(&bytes))));
        }
    }
    let header: Value = serde_json::from_slice(&decode(parts[0].as_bytes()).unwrap()).unwrap();
    for (id, change) in [
        ("J19", json!({ "zip": "DEF" })),
        ("J23", json!({ "alg": "RSA1_5" })),
        ("J23", json!({ "alg": "RSA-OAEP" })),
        ("J20", json!({ "alg": "PBES2-HS256+A128KW", "p2c": 2_147_483_648u64, "p2s": "" })),
        ("J20", json!({ "alg": "PBES2-HS256+A128KW", "p2c": 0, "p2s": "" })),
        ("J20", json!({ "alg": "PBES2-HS256+A128KW", "p2c": -1, "p2s": encode(&[1; 16]) })),
        ("J24", json!({ "alg": "ECDH-ES", "epk": { "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" } })),
        ("J24", json!({ "alg": "ECDH-ES", "epk": { "kty": "OKP", "crv": "X25519", "x": encode(&[0; 32]) } })),
        ("J08", json!({ "alg": "A256GCMKW" })),
        ("J01", json!({ "alg": "none" })),
        ("J08", json!({ "enc": "A128GCM" })),
        ("J01", json!({ "enc": "none" })),
        ("J16", json!({ "cty": "jwt" })),
        ("J28", json!({ "typ": "journey+jwt" })),
        ("J07", json!({ "kid": "x" })),
        ("J10", json!({ "crit": ["exp"] })),
        ("J04", json!({ "jwk": {} })),
    ] {
        tokens.push((id, changed(0, encode(with(header.clone(), change).to_string().as_bytes()))));
    }
    // What the seal holds is not the token of a session that anybody signed.
    for (id, inner) in [
        ("J18", String::new()),
        ("J18", good.clone()),
        ("J17", claims.to_string()),
        ("J01", format!("{}.{}.", encode(br#"{"alg":"none"}"#), encode(claims.to_string().as_bytes()))),
    ] {
        tokens.push((id, forger.sealed(&inner)));
    }
    for at in (0..good.len()).step_by(good.len() / 40) {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        if bytes != good.as_bytes() {
            tokens.push(("J34", String::from_utf8(bytes).unwrap()));
        }
    }
    all(&world, tokens);
    assert_eq!(ask(&world, "/", &in_cookie(&good)), [200, 200]);
}

/// As AM makes tokens: signed with a secret, then sealed by CBC and a MAC, under a content key that is wrapped. Whoever
/// tries out what a block or a padding may be, or which wrapped key is taken, learns nothing from the answers.
#[test]
fn j_tokens_in_cbc_under_a_wrapped_key() {
    let world = world_of("HS256", "AES_KEYWRAP", "A128CBC-HS256", |_| {});
    let forger = Forger::with_keys("HS256", "A256KW+A128CBC-HS256", &world);
    let claims = good_claims();
    // The content key is drawn, and what was drawn is known here.
    let drawn = [7; 32];
    let nested = |dice: u8, claims: &Value| {
        let mut dice = |out: &mut [u8]| out.fill(dice);
        forger.nested_by(&mut dice, Envelope::SignThenEncrypt, forger.key(), Kind::Session, claims)
    };
    let good = nested(drawn[0], &claims);
    assert_eq!(ask(&world, "/", &in_cookie(&good)), [200, 200]);
    let parts: Vec<&str> = good.split('.').collect();
    let changed = |at: usize, part: &[u8]| {
        let part = encode(part);
        let mut parts = parts.clone();
        parts[at] = &part;
        parts.join(".")
    };
    let bytes = |at: usize| decode(parts[at].as_bytes()).unwrap();
    let (iv, content, tag) = (bytes(2), bytes(3), bytes(4));

    // Where nothing can be told apart: the key, each block, the padding, the tag.
    let mut blind = Vec::new();
    for at in [1, 2, 3, 4] {
        let length = bytes(at).len();
        for place in [0, length / 2, length.saturating_sub(32), length.saturating_sub(17), length - 1] {
            let mut wrong = bytes(at);
            wrong[place] ^= 1;
            blind.push(changed(at, &wrong));
        }
    }
    for length in [0, 1, 15, 16, 17, content.len() - 16, content.len() - 1] {
        blind.push(changed(3, &content[..length]));
    }
    blind.push(changed(3, &[&content[..], &[0; 16]].concat()));
    // The MAC holds, as only whoever has the key can make it, and what is below does not: RFC 7518 section 5.2.2.1.
    let sealed = |content: &[u8]| {
        let covered = [parts[0].as_bytes(), &iv, content, &(parts[0].len() as u64 * 8).to_be_bytes()].concat();
        let mac = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &drawn[..16]), &covered);
        [parts[0], parts[1], parts[2], &encode(content), &encode(&mac.as_ref()[..16])].join(".")
    };
    assert_eq!(sealed(&content), good);
    // Another last byte of the text, by the block before: paddings of no, too many and other bytes.
    let signed = MintingKeys::new(Envelope::Sign, Some(forger.key()), None).unwrap();
    let inner = mint(&claims, Kind::Session, &signed, &mut |_: &mut [u8]| {}).unwrap();
    let padding = u8::try_from(16 - inner.len() % 16).unwrap();
    let before_last = content.len() - 17;
    for last in [0, 17, 32, 255, padding + 1] {
        let mut wrong = content.clone();
        wrong[before_last] ^= padding ^ last;
        blind.push(sealed(&wrong));
    }
    for blocks in [1, 2, 8] {
        blind.push(sealed(&vec![9; 16 * blocks]));
    }
    for length in [0, 8, 15, 17] {
        blind.push(sealed(&vec![9; length]));
    }
    for length in [0, 4, 8, 12, 15, 17, 32] {
        let mut wrong = tag.clone();
        wrong.resize(length, 0);
        blind.push(changed(4, &wrong));
    }
    let mut told = Vec::new();
    for token in blind.iter().filter(|token| **token != good) {
        let headers = [("accept", "application/json"), ("cookie", &*cookie(token))];
        let edge = send("GET", &world.edge("/"), &headers, "");
        let origin = send("GET", &format!("{}/am/json/serverinfo/version", world.stack.origin_url()), &headers, "");
        told.push([(edge.status, edge.body), (origin.status, origin.body)]);
    }
    assert!(told.iter().all(|answers| answers[0].0 == 401 && answers[1].0 == 401), "J22: {told:?}");
    told.dedup();
    assert_eq!(told.len(), 1, "J22: {told:?}");

    let mut tokens: Vec<(&'static str, String)> = blind.into_iter().map(|token| ("J22", token)).collect();
    // The key of another token, and keys that no token was wrapped with.
    let another = nested(8, &claims);
    let other: Vec<&str> = another.split('.').collect();
    tokens.push(("J22", changed(1, &decode(other[1].as_bytes()).unwrap())));
    for wrapped in [&[][..], &[0; 8], &[0; 24], &[0; 40], &[0; 48], &drawn, &[0; 4096]] {
        tokens.push(("J22", changed(1, wrapped)));
    }
    let header: Value = serde_json::from_slice(&decode(parts[0].as_bytes()).unwrap()).unwrap();
    for (id, change) in [
        ("J01", json!({ "alg": "none" })),
        ("J08", json!({ "alg": "dir" })),
        ("J08", json!({ "alg": "A128KW" })),
        ("J08", json!({ "enc": "A256GCM" })),
        ("J08", json!({ "enc": "A256CBC-HS512" })),
        ("J23", json!({ "alg": "RSA1_5" })),
        ("J19", json!({ "zip": "DEF" })),
        ("J28", json!({ "typ": "journey+jwt" })),
    ] {
        tokens.push((id, changed(0, with(header.clone(), change).to_string().as_bytes())));
    }
    tokens.extend([
        ("J16", inner),
        ("J17", forger.nested(Envelope::Encrypt, forger.key(), Kind::Session, &claims)),
        ("J18", forger.nested(Envelope::SignThenEncrypt, forger.stranger(), Kind::Session, &claims)),
        ("J29", nested(7, &with(claims.clone(), json!({ "realm": "/beta" })))),
        ("J31", nested(7, &with(claims.clone(), json!({ "exp": now() - 1 })))),
    ]);
    all(&world, tokens);
    assert_eq!(ask(&world, "/", &in_cookie(&good)), [200, 200]);
}

/// The name that a new realm on https has, in a cookie as in a header; near misses are other cookies.
#[test]
fn c01_c04_c05_under_the_default_name() {
    const NAME: &str = "__Host-iPlanetDirectoryPro";
    let world = world_of("EdDSA", "DIRECT", "A256GCM", |options| {
        let https = ("COUNTERSIGN__SERVER__PUBLIC_URL".to_owned(), "https://login.example.com".to_owned());
        options.origin_env.push(https);
        options.settings["cookie_name"] = NAME.into();
    });
    let (token, other) = (world.log_in(), world.log_in());
    let line = |text: String| text.into_bytes();
    let good = line(format!("cookie: {NAME}={token}"));
    for lines in
        [vec![good.clone()], vec![line(format!("{NAME}: {token}"))], vec![line(format!("cookie: a=1; {NAME}={token}"))]]
    {
        assert_eq!(ask(&world, "/", &lines), [200, 200]);
    }
    let mut cases: Vec<Case> = Vec::new();
    for near in
        [COOKIE_NAME, "__host-iPlanetDirectoryPro", "__HOST-iPlanetDirectoryPro", "__Secure-iPlanetDirectoryPro"]
    {
        cases.push(("C01", vec![line(format!("cookie: {near}={token}"))]));
    }
    // A page on the way tosses one without the prefix's conditions: browsers send it first or last.
    for (first, second) in [(&token, &other), (&token, &token)] {
        cases.push(("C04", vec![line(format!("cookie: {NAME}={first}; {NAME}={second}"))]));
        cases.push(("C05", vec![line(format!("cookie: {NAME}={first}")), line(format!("cookie: {NAME}={second}"))]));
    }
    cases.push(("C04", vec![good.clone(), line(format!("{NAME}: {other}"))]));
    run(&world, &cases);
    assert_eq!(ask(&world, "/", &[good]), [200, 200]);
}

/// S16 at the edge: use of a session has its token re-issued by the origin, once, beside the request.
#[test]
fn s16_an_edge_keeps_a_used_session_alive() {
    let mut world = world("DIRECT");
    let forger = Forger::of(&world);
    let minted = |changes: Value| {
        forger.nested(Envelope::SignThenEncrypt, forger.key(), Kind::Session, &with(good_claims(), changes))
    };
    let aged = |number: u8| minted(json!({ "iat": now() - 600, "idle": 1800, "jti": encode(&[number; 12]) }));
    let request = |world: &World, method: &str, token: &str| {
        let headers = [("cookie", &*cookie(token)), ("accept", "application/json")];
        send(method, &world.edge("/?format=json"), &headers, "")
    };

    let fresh = minted(json!({ "idle": 1800 }));
    assert_eq!(request(&world, "GET", &fresh).header("set-cookie"), "", "it is not due");
    assert_eq!(request(&world, "POST", &aged(9)).header("set-cookie"), "", "only requests that change nothing");

    let old = aged(3);
    let page = request(&world, "GET", &old);
    assert_eq!((page.status, page.header("cache-control")), (200, "no-store"), "C13: {page:?}");
    let set = page.header("set-cookie").to_owned();
    assert!(set.starts_with(&format!("{COOKIE_NAME}=")) && set.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{set}");
    let renewed = set.split(['=', ';']).nth(1).unwrap().to_owned();
    assert_ne!(renewed, old);
    let claims = |answer: &countersign_tests::Answer| answer.json()["assertion"]["claims"].clone();
    let after = request(&world, "GET", &renewed);
    assert_eq!(
        (claims(&after)["sid"].clone(), claims(&after)["auth_time"].clone()),
        (claims(&page)["sid"].clone(), claims(&page)["auth_time"].clone())
    );
    assert_eq!(after.header("set-cookie"), "", "the new one is not due");
    assert_eq!(request(&world, "GET", &old).header("set-cookie"), "", "asked for a moment ago");

    // S05: dead with its family.
    assert_eq!(world.log_out(&old).status, 200);
    eventually("both are refused", DenylistProfile::Default.bound(), || {
        world.check(&old) == 401 && world.check(&renewed) == 401
    });

    // Without the origin nothing is renewed, and nothing is refused that the lease still covers.
    let another = minted(json!({ "iat": now() - 600, "idle": 1800, "jti": encode(&[5; 12]), "sid": encode(&[6; 16]) }));
    assert_eq!(world.check(&another), 204);
    world.stack.kill_origin();
    let page = request(&world, "GET", &another);
    assert_eq!((page.status, page.header("set-cookie")), (200, ""), "{page:?}");
}
