//! Second factors with the store behind them, over REST and as pages. WebAuthn itself is done by the journey's own
//! tests and in Chromium.

use axum::http::Method;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::tests::{FAILURE, SUCCESS, answer, import, journey, start};
use crate::testing::{ALPHA, Answer, NOW, Origin};

const OUT: &[&str] = &["outcome"];

/// Who has no device registers one; then its code, or a recovery code.
fn one_time_password() -> Value {
    let config = json!({"isRecoveryCodeAllowed": true});
    let mut journey = journey(
        "Otp",
        json!({}),
        &[
            ("UsernameCollectorNode", json!({}), OUT),
            ("OathTokenVerifierNode", config, &["notRegisteredOutcome", "failureOutcome"]),
            (
                "OathRegistrationNode",
                json!({"totpHashAlgorithm": "HMAC_SHA256"}),
                &["successOutcome", "failureOutcome"],
            ),
            ("RecoveryCodeCollectorDecisionNode", json!({"recoveryCodeType": "OATH"}), &["true", "false"]),
        ],
    );
    let mut connect = |node: &str, outcome: &str, target: &str| {
        journey["tree"]["nodes"][node]["connections"][outcome] = json!(target);
    };
    connect("n1", "successOutcome", SUCCESS);
    connect("n1", "recoveryCodeOutcome", "n3");
    connect("n2", "successOutcome", "n1");
    connect("n3", "false", FAILURE);
    journey
}

fn security_key() -> Value {
    let outcomes = &["success", "failure", "error", "unsupported"];
    journey(
        "Key",
        json!({}),
        &[("UsernameCollectorNode", json!({}), OUT), ("WebAuthnRegistrationNode", json!({"asScript": true}), outcomes)],
    )
}

/// The app's arithmetic.
fn code(link: &str, counter: u64) -> String {
    let secret = link.split("secret=").nth(1).unwrap().split('&').next().unwrap();
    let value = |letter: u8| b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".iter().position(|known| *known == letter).unwrap();
    let bits: Vec<usize> =
        secret.bytes().flat_map(|letter| (0..5).rev().map(move |bit| value(letter) >> bit & 1)).collect();
    let byte = |bits: &[usize]| bits.iter().fold(0_u8, |byte, bit| byte << 1 | u8::from(*bit == 1));
    let secret: Vec<u8> = bits.chunks_exact(8).map(byte).collect();
    let mac = Hmac::<Sha256>::new_from_slice(&secret).unwrap().chain_update(counter.to_be_bytes()).finalize();
    let mac = mac.into_bytes();
    let at = usize::from(mac[31] & 15);
    let number = u32::from_be_bytes(mac[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

async fn press(origin: &Origin, step: &Value, typed: &str, button: u64) -> Answer {
    let mut back = step.clone();
    back["callbacks"][0]["input"][0]["value"] = typed.into();
    back["callbacks"][1]["input"][0]["value"] = button.into();
    origin.post(&format!("{ALPHA}/authenticate"), &[], &back.to_string()).await
}

/// Begins a login at the question for the code.
async fn asked(origin: &Origin) -> Value {
    let step = answer(origin, &start(origin, "Otp").await, json!("demo")).await.json();
    assert_eq!(step["callbacks"][1]["output"][2]["value"], json!(["Submit", "Use recovery code"]), "{step}");
    step
}

/// Registers a device for `demo`, and gives its link with the step that comes then.
async fn registered(origin: &Origin) -> (String, Value) {
    let step = answer(origin, &start(origin, "Otp").await, json!("demo")).await.json();
    let link = step["callbacks"][2]["output"][0]["value"].as_str().unwrap().to_owned();
    let next = origin.post(&format!("{ALPHA}/authenticate"), &[], &step.to_string()).await;
    (link, next.json())
}

#[tokio::test]
async fn a_device_registered_at_one_origin_is_known_at_the_other() {
    let origin = Origin::new().await;
    import(&origin, &[one_time_password()]).await;
    let (link, step) = registered(&origin).await;
    let step_now = NOW / 30;
    assert_eq!(press(&origin, &step, &code(&link, step_now), 0).await.status, 200);

    let second = origin.second().await;
    second.app.journeys_current("/alpha").await.unwrap();
    let used = press(&second, &asked(&second).await, &code(&link, step_now), 0).await;
    assert_eq!(used.status, 401, "the code was used at the other one");
    second.clock.advance(30);
    let next = press(&second, &asked(&second).await, &code(&link, step_now + 1), 0).await;
    assert!(second.is_valid(next.json()["tokenId"].as_str().unwrap()).await);

    // Nothing of it is in the database as it is, and it goes with the user.
    let devices = origin.app.store.devices();
    assert_eq!(devices.list("/alpha", "demo", "oath").await.unwrap().len(), 1);
    let file = std::fs::read(origin.dir().join("countersign.db")).unwrap();
    let wal = std::fs::read(origin.dir().join("countersign.db-wal")).unwrap_or_default();
    for text in [&b"sharedSecret"[..], b"otpauth"] {
        assert!(!file.windows(text.len()).chain(wal.windows(text.len())).any(|part| part == text));
    }
    origin.app.store.identities().delete("/alpha", "demo").await.unwrap();
    assert!(devices.list("/alpha", "demo", "oath").await.unwrap().is_empty());
}

/// However many send the same code at once, one of them gets in.
#[tokio::test]
async fn of_many_with_one_code_one_gets_in() {
    let origin = Origin::new().await;
    import(&origin, &[one_time_password()]).await;
    let (link, _) = registered(&origin).await;
    let code = code(&link, NOW / 30);
    let steps = [asked(&origin).await, asked(&origin).await, asked(&origin).await, asked(&origin).await];
    let [a, b, c, d] = steps.each_ref().map(|step| press(&origin, step, &code, 0));
    let (a, b, c, d) = tokio::join!(a, b, c, d);
    let good = [a, b, c, d].iter().filter(|answer| answer.status == 200).count();
    assert_eq!(good, 1);
}

#[tokio::test]
async fn a_recovery_code_works_once() {
    let origin = Origin::new().await;
    import(&origin, &[one_time_password()]).await;
    registered(&origin).await;
    // Those that were shown are known to the user alone.
    origin.app.store.recovery_codes().replace("/alpha", "demo", "OATH", &["abcdefghjk"]).await.unwrap();
    for expected in [200, 401] {
        let step = press(&origin, &asked(&origin).await, "", 1).await.json();
        assert_eq!(step["callbacks"][0]["output"][0]["value"], "Recovery Code");
        assert_eq!(answer(&origin, &step, json!("abcdefghjk")).await.status, expected);
    }
}

/// The page behind the one for the user name.
async fn page(origin: &Origin, journey: &str) -> Answer {
    let path = format!("/am/UI/Login?realm=/alpha&service={journey}");
    let first = origin.get(&path).await.text();
    let auth_id = first.split("name=\"authId\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let headers = [("sec-fetch-site", "same-origin"), ("content-type", "application/x-www-form-urlencoded")];
    origin.send(Method::POST, &path, &headers, &format!("authId={auth_id}&IDToken1=demo")).await
}

#[tokio::test]
async fn a_page_shows_the_app_its_secret_in_three_ways() {
    let origin = Origin::new().await;
    import(&origin, &[one_time_password()]).await;
    let page = page(&origin, "Otp").await;
    let text = page.text();
    assert_eq!(page.status, 200, "{text}");
    for part in
        ["src=\"data:image/svg+xml;base64,", "href=\"otpauth://totp/ForgeRock:demo?secret=", "id=\"app-secret\">"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("<script") && !page.header("content-security-policy").contains("script-src"));
    assert!(!text.contains("not here"), "there is no step that a script has to do");
}

#[tokio::test]
async fn a_page_for_a_security_key_has_one_script_and_no_other_can_run() {
    let origin = Origin::new().await;
    import(&origin, &[security_key()]).await;
    let page = page(&origin, "Key").await;
    let text = page.text();
    assert_eq!(page.status, 200, "{text}");
    assert!(
        text.matches("<script").count() == 1
            && text.contains("<script src=\"/am/console/webauthn.js\" defer></script>")
    );
    let policy = page.header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self'; style-src") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert!(text.contains("data-answer=\"IDToken2\"") && text.contains("This step needs JavaScript"), "{text}");
    // By default the relying party is the host of the public URL.
    assert!(
        text.contains("_relyingPartyId&#34;:&#34;localhost&#34;")
            || text.contains("_relyingPartyId&quot;:&quot;localhost&quot;"),
        "{text}"
    );
    let script = origin.get("/am/console/webauthn.js").await;
    assert_eq!((script.status, script.header("content-type")), (200, "text/javascript; charset=utf-8"));
}
