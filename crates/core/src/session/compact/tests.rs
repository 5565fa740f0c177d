use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::session::{SessionClaims, SessionId, TokenId};

fn claims(properties: Properties) -> SessionClaims {
    SessionClaims {
        sid: SessionId([9; 16]),
        sub: "demo".to_owned(),
        realm: "/alpha".to_owned(),
        iat: UnixSeconds(1_795_254_038),
        exp: UnixSeconds(1_795_261_238),
        fexp: UnixSeconds(1_795_261_238),
        idle: Some(1800),
        auth_time: None,
        rvs: 48_213,
        auth_level: 5,
        amr: vec!["pwd".to_owned()],
        jti: TokenId([8; 12]),
        properties,
    }
}

fn of(pairs: &[(&str, &str)]) -> Properties {
    pairs.iter().copied().collect()
}

const UNIVERSAL: &str = "id=demo,ou=user,o=alpha,ou=services,ou=am-config";

/// AM's default properties, as an installation with default settings has them.
fn defaults() -> Properties {
    of(&[
        ("AMCtxId", "5f2d7f0e-3e0b-4d57-9f43-2f5e6c1d9a70-471"),
        ("amlbcookie", "01"),
        ("authInstant", "2026-11-21T09:40:38Z"),
        ("AuthLevel", "5"),
        ("AuthType", "DataStore"),
        ("CharSet", "UTF-8"),
        ("clientType", "genericHTML"),
        ("FullLoginURL", "/am/UI/Login?realm=/alpha"),
        ("Host", "203.0.113.57"),
        ("HostName", "203.0.113.57"),
        ("IndexType", "service"),
        ("Locale", "en_US"),
        ("Organization", "o=alpha,ou=services,ou=am-config"),
        ("Principal", UNIVERSAL),
        ("Principals", &format!("demo|{UNIVERSAL}")),
        ("Service", "Login"),
        ("successURL", "/am/console"),
        ("sun.am.UniversalIdentifier", UNIVERSAL),
        ("UserId", "demo"),
        ("UserProfile", "Required"),
        ("UserToken", "demo"),
        ("mail", "demo@example.com"),
        ("cn", "Demo User"),
    ])
}

fn written(claims: &SessionClaims) -> Value {
    serde_json::to_value(claims).unwrap()["p"].clone()
}

fn again(claims: &SessionClaims) -> SessionClaims {
    serde_json::from_slice(&serde_json::to_vec(claims).unwrap()).unwrap()
}

#[test]
fn what_follows_takes_a_letter() {
    let claims = claims(defaults());
    let expected = json!([
        1,
        "#aXy1_Dj4LTVefQy9ebB2acA-471",
        "BCDEFGHi203.0.113.57",
        "JKLMNOPQRSTUwdemo@example.com",
        "xDemo User"
    ]);
    assert_eq!(written(&claims), expected);
    assert_eq!(again(&claims), claims);
}

/// AM's factory default makes 2,141 bytes of them.
#[test]
fn the_default_properties_fit_a_cookie_of_1000_bytes_in_both_layers() {
    use crate::keys::{ContentKey, Kid, MintingKeys, SigningAlg, SigningKey};
    use crate::token::{Envelope, Kind, mint::mint};

    let kid = |text: &str| Kid::try_from(text.to_owned()).unwrap();
    for alg in [SigningAlg::Hs256, SigningAlg::EdDsa] {
        // Identifiers as long as the origin's.
        let signing = SigningKey::new(kid("sig-0123456789ab"), alg, &[1; 32]).unwrap();
        let content = ContentKey::a256gcm(kid("enc-0123456789ab"), &[2; 32]).unwrap();
        let keys = MintingKeys::new(Envelope::SignThenEncrypt, Some(signing), Some(content)).unwrap();
        let token = mint(&claims(defaults()), Kind::Session, &keys, &mut |out: &mut [u8]| out.fill(3)).unwrap();
        assert!(token.len() <= 1000, "{alg:?}: {}", token.len());
    }
}

#[test]
fn what_differs_is_written_out() {
    let properties = of(&[
        ("zip", "=H"),
        ("", ""),
        ("UserId", "Demo"),
        ("sun.am.UniversalIdentifier", "id=demo,ou=user,dc=example,dc=com"),
        ("FullLoginURL", "/am/UI/Login?realm=/alpha&goto=x"),
        ("AMCtxId", "5F2D7F0E-3e0b-4d57-9f43-2f5e6c1d9a70-1"),
        ("HostName", "h"),
        ("AuthLevel", "05"),
        ("Organization", "o=alpha,ou=services,dc=example,dc=com"),
        ("Principal", "id=demo,ou=user,o=alpha,ou=services,dc=example,dc=com"),
    ]);
    let claims = claims(properties);
    let expected = json!([
        1,
        "=zip",
        "=H",
        "=",
        "",
        "sDemo",
        "rid=demo,ou=user,dc=example,dc=com",
        "+h&goto=x",
        "a5F2D7F0E-3e0b-4d57-9f43-2f5e6c1d9a70-1",
        "jh",
        "d05",
        "+mdc=example,dc=com",
        "N",
    ]);
    assert_eq!(written(&claims), expected);
    assert_eq!(again(&claims), claims);
}

#[test]
fn values_follow_from_the_claims_of_their_token() {
    let mut claims = claims(of(&[("Organization", "ou=am-config"), ("Principal", "id=ada,ou=user,ou=am-config")]));
    claims.realm = "/".to_owned();
    claims.sub = "ada".to_owned();
    assert_eq!(written(&claims), json!([1, "MN"]));
    claims.realm = "/alpha/beta".to_owned();
    claims.properties =
        of(&[("Organization", "o=beta,o=alpha,ou=services,ou=am-config"), ("authInstant", "2000-02-29T23:59:59Z")]);
    claims.auth_time = Some(UnixSeconds(951_868_799));
    assert_eq!(written(&claims), json!([1, "MC"]));
    assert_eq!(again(&claims), claims);
}

#[test]
fn instants_are_rfc3339() {
    for (at, text) in [
        (0, Some("1970-01-01T00:00:00Z")),
        (951_782_400, Some("2000-02-29T00:00:00Z")),
        (4_107_542_399, Some("2100-02-28T23:59:59Z")),
        (253_402_300_799, Some("9999-12-31T23:59:59Z")),
        (253_402_300_800, None),
        (u64::MAX, None),
    ] {
        let mut out = String::new();
        assert_eq!(rfc3339(UnixSeconds(at), &mut out).map(|()| out.as_str()), text, "{at}");
    }
}

#[test]
fn tokens_of_before_are_read() {
    let claims = claims(defaults());
    let mut json = serde_json::to_value(&claims).unwrap();
    json["p"] = serde_json::to_value(&claims.properties).unwrap();
    json["fexp"] = claims.fexp.0.into();
    assert_eq!(
        serde_json::from_str::<SessionClaims>(&json.to_string()).unwrap().properties.get("cn"),
        Some("Demo User")
    );
    let spelled_out = serde_json::to_value(claims.spelled_out()).unwrap();
    assert_eq!(spelled_out, json);
}

#[test]
fn j12_items_of_no_known_form_are_refused() {
    let claims = claims(Properties::default());
    for wrong in [
        json!(null),
        json!("x"),
        json!([]),
        json!(["xDemo"]),
        json!([0, "xDemo"]),
        json!([2, "xDemo"]),
        json!(["1", "xDemo"]),
        json!([1.0, "xDemo"]),
        json!([1, 2]),
        json!([1, null]),
        json!([1, ["xDemo"]]),
        json!([1, ""]),
        json!([1, "+"]),
        json!([1, "#"]),
        json!([1, "-x"]),
        json!([1, "\u{e9}"]),
        json!([1, "+\u{e9}"]),
        // No such letter, and a property whose value does not follow, or has no stem.
        json!([1, "zx"]),
        json!([1, "Z"]),
        json!([1, "A"]),
        json!([1, "J"]),
        json!([1, "+xDemo"]),
        json!([1, "+s"]),
        // Twice.
        json!([1, "SS"]),
        json!([1, "Ssdemo"]),
        json!([1, "xa", "xb"]),
        json!([1, "=a", "1", "=a", "2"]),
        json!([1, "ix", "iy", "J"]),
        // A name that has a letter, and one without a value.
        json!([1, "=cn", "Demo"]),
        json!([1, "=a"]),
        // Not the one spelling of 16 bytes.
        json!([1, "#aXy1_Dj4LTVefQy9ebB2ac"]),
        json!([1, "#aXy1_Dj4LTVefQy9ebB2acB"]),
    ] {
        let mut json = serde_json::to_value(&claims).unwrap();
        json["p"] = wrong.clone();
        assert!(serde_json::from_str::<SessionClaims>(&json.to_string()).is_err(), "{wrong}");
    }
}

/// Names and values near the dictionary's, in any order.
fn properties() -> impl Strategy<Value = Properties> {
    let name = prop_oneof![
        4 => (0..DICTIONARY.len()).prop_map(|at| DICTIONARY[at].0.to_owned()),
        1 => "[a-zA-Z=+#]{0,3}",
        1 => ".{0,5}",
    ];
    let value = prop_oneof![
        4 => (0..23_usize).prop_map(|at| defaults().iter().nth(at).map(|(_, value)| value.to_owned()).unwrap()),
        1 => (0..23_usize, "[,0-9a-f-]{0,3}").prop_map(|(at, more)| defaults().iter().nth(at).unwrap().1.to_owned() + &more),
        1 => "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}.{0,2}",
        1 => ".{0,9}",
    ];
    prop::collection::vec((name, value), 0..30).prop_map(|pairs| pairs.into_iter().collect())
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        properties in properties(),
        sub in prop_oneof![Just("demo".to_owned()), ".{0,4}"],
        realm in prop_oneof![Just("/alpha".to_owned()), "(/[a-z]{0,2}){0,3}", ".{0,4}"],
        level: u32, iat: u64, auth_time: Option<u64>,
    ) {
        let claims = SessionClaims {
            sub, realm, auth_level: level, iat: UnixSeconds(iat), auth_time: auth_time.map(UnixSeconds),
            ..claims(properties)
        };
        prop_assert_eq!(again(&claims), claims);
    }

    /// Each default takes its letter or is written out, by itself or with the others.
    #[test]
    fn any_of_the_defaults_are_read_again(keep: [bool; 23], shuffle in Just((0..23).collect::<Vec<usize>>()).prop_shuffle()) {
        let all = defaults();
        let pairs: Vec<_> = all.iter().collect();
        let claims = claims(shuffle.into_iter().filter(|at| keep[*at]).map(|at| pairs[at]).collect());
        prop_assert_eq!(again(&claims), claims);
    }

    /// Whatever items say, reading them ends in properties or an error.
    #[test]
    fn any_items_are_read_or_refused(items in prop::collection::vec("[A-Za-z+#=]{0,4}.{0,24}", 0..8)) {
        let mut json = serde_json::to_value(claims(Properties::default())).unwrap();
        json["p"] = std::iter::once(json!(1)).chain(items.into_iter().map(Value::from)).collect();
        if let Ok(claims) = serde_json::from_str::<SessionClaims>(&json.to_string()) {
            prop_assert_eq!(again(&claims), claims);
        }
    }
}
