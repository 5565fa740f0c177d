//! A small OpenID Connect provider, and the keys it signs with.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_journey::host::HttpRequest;
use p256::ecdsa::signature::Signer as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::World;

fn key(seed: u8) -> p256::ecdsa::SigningKey {
    p256::ecdsa::SigningKey::from_slice(&[seed; 32]).unwrap()
}

/// The public key.
pub(crate) fn jwk(seed: u8, kid: &str) -> Value {
    let point = key(seed).verifying_key().to_sec1_point(false).as_bytes().to_vec();
    let part = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
    json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": part(1..33), "y": part(33..65)})
}

/// The public key as a line of `authorized_keys`.
pub(crate) fn ssh_key(seed: u8) -> String {
    let point = key(seed).verifying_key().to_sec1_point(false).as_bytes().to_vec();
    let mut blob = Vec::new();
    for part in [&b"ecdsa-sha2-nistp256"[..], b"nistp256", &point] {
        blob.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
        blob.extend(part);
    }
    format!("ecdsa-sha2-nistp256 {} me@host", base64::engine::general_purpose::STANDARD.encode(blob))
}

/// A JWS in compact serialization, ES256.
pub(crate) fn sign(seed: u8, header: &Value, claims: &Value) -> String {
    let mut header = header.clone();
    header["alg"] = json!("ES256");
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let input = format!("{}.{}", part(&header), part(claims));
    let signature: p256::ecdsa::Signature = key(seed).sign(input.as_bytes());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

/// What a test may turn about a provider.
pub(crate) struct Provider {
    pub(crate) issuer: String,
    pub(crate) client: String,
    /// Claims that are put over those it would make, `null` to leave one out.
    pub(crate) claims: Value,
    pub(crate) info: Value,
    pub(crate) seed: u8,
    /// Stands for every provider there is, whatever its URLs and clients.
    any: bool,
    /// What the authorization request was, by code.
    asked: Mutex<BTreeMap<String, BTreeMap<String, String>>>,
}

impl Provider {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self::with(json!({}), json!({"sub": "248289", "email": "demo@example.com"})))
    }

    pub(crate) fn with(claims: Value, info: Value) -> Self {
        let (issuer, client) = ("https://idp.example".to_owned(), "client".to_owned());
        Self { issuer, client, claims, info, seed: 7, any: false, asked: Mutex::default() }
    }

    /// All providers, to whom the user is known by this id.
    pub(crate) fn any(id: &str, mail: &str) -> Arc<Self> {
        let info =
            json!({"sub": id, "id": id, "email": mail, "name": "Text", "given_name": "Text", "family_name": "Text"});
        Arc::new(Self { any: true, ..Self::with(json!({"sub": id}), info) })
    }

    /// What a realm has to know of it.
    pub(crate) fn settings() -> Value {
        json!({
            "clientId": "client", "clientSecret": "client secret", "clientAuthenticationMethod": "CLIENT_SECRET_BASIC",
            "authorizationEndpoint": "https://idp.example/authorize?tenant=1",
            "tokenEndpoint": "https://idp.example/token",
            "userInfoEndpoint": "https://idp.example/info",
            "wellKnownEndpoint": "https://idp.example/.well-known/openid-configuration",
            "issuer": "https://idp.example", "scopes": ["openid", "email"], "scopeDelimiter": " ", "pkceMethod": "S256",
            "redirectURI": "https://am.example.com/am/XUI/", "authenticationIdKey": "sub",
            "uiConfig": {"buttonDisplayName": "Example"}
        })
    }

    /// The user says yes: the parameters that the browser comes back with.
    pub(crate) fn authorize(&self, redirect: &str) -> BTreeMap<String, Vec<String>> {
        let url = url::Url::parse(redirect).unwrap();
        let asked: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        let code = format!("code of {}", asked["state"]);
        let mut back = vec![("code", code.clone()), ("state", asked["state"].clone())];
        let mut asked = asked;
        if self.any {
            asked.insert("iss".to_owned(), url.origin().ascii_serialization());
        } else {
            back.push(("iss", self.issuer.clone()));
        }
        self.asked.lock().unwrap().insert(code, asked);
        back.into_iter().map(|(name, value)| (name.to_owned(), vec![value])).collect()
    }

    pub(crate) fn serve(self: &Arc<Self>, world: World) -> World {
        let provider = self.clone();
        world
            .server(if self.any { "https://" } else { "https://idp.example/" }, move |request| provider.answer(request))
    }

    fn answer(&self, request: &HttpRequest) -> (u16, Value) {
        let url = url::Url::parse(&request.url).unwrap();
        if self.any {
            let origin = url.origin().ascii_serialization();
            return match url.path() {
                "/send" => (200, json!({})),
                path if path.ends_with("siteverify") => {
                    (200, json!({"success": request.body.contains("response=right")}))
                }
                "/jwks" => (200, json!({"keys": [jwk(7, "seven")]})),
                _ if request.method == "POST" => self.token(request),
                path if path.ends_with("openid-configuration") => {
                    (200, json!({"issuer": origin, "jwks_uri": format!("{origin}/jwks")}))
                }
                _ => (200, self.info.clone()),
            };
        }
        match url.path() {
            "/.well-known/openid-configuration" => {
                (200, json!({"issuer": self.issuer, "jwks_uri": "https://idp.example/jwks"}))
            }
            "/jwks" => (200, json!({"keys": [{"kty": "oct", "k": "AQ"}, jwk(9, "other"), jwk(7, "seven")]})),
            "/token" => self.token(request),
            "/info" => {
                let bearer = request.headers.contains(&("authorization", "Bearer access".to_owned()));
                if bearer { (200, self.info.clone()) } else { (401, json!({})) }
            }
            _ => (404, json!({})),
        }
    }

    fn token(&self, request: &HttpRequest) -> (u16, Value) {
        let form: BTreeMap<String, String> =
            url::form_urlencoded::parse(request.body.as_bytes()).into_owned().collect();
        let Some(asked) = self.asked.lock().unwrap().remove(&form["code"]) else {
            return (400, json!({"error": "invalid_grant"}));
        };
        let basic = base64::engine::general_purpose::STANDARD.encode("client:client+secret");
        let authorized = request.headers.contains(&("authorization", format!("Basic {basic}")));
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
        let good = authorized
            && form["grant_type"] == "authorization_code"
            && form["redirect_uri"] == asked["redirect_uri"]
            && asked["code_challenge"] == challenge
            && asked["code_challenge_method"] == "S256"
            && asked["response_type"] == "code";
        if !good && !self.any {
            return (400, json!({"error": "invalid_grant"}));
        }
        let text = |name: &str, otherwise: &str| asked.get(name).cloned().unwrap_or_else(|| otherwise.to_owned());
        let id_token = match self.any {
            true => self.id_token_of(&text("iss", ""), &text("client_id", ""), &text("nonce", "")),
            false => self.id_token(&text("nonce", "")),
        };
        (200, json!({"access_token": "access", "token_type": "Bearer", "id_token": id_token}))
    }

    pub(crate) fn id_token(&self, nonce: &str) -> String {
        self.id_token_of(&self.issuer, &self.client, nonce)
    }

    fn id_token_of(&self, issuer: &str, client: &str, nonce: &str) -> String {
        let now = super::START / 1000;
        let mut claims = json!({
            "iss": issuer, "aud": client, "sub": "248289", "iat": now, "exp": now + 300, "nonce": nonce
        });
        for (name, value) in self.claims.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        sign(self.seed, &json!({"kid": "seven", "typ": "JWT"}), &claims)
    }
}
