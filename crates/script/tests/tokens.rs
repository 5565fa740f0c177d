//! JOSE as legacy scripts know it: tokens signed and encrypted under shared secrets, or signed by a private key.

mod support;

use std::sync::Arc;

use countersign_script::Generation::{Legacy, Next};
use serde_json::json;
use support::{World, decide, report};

const IMPORT: &str = "var fr = JavaImporter(org.forgerock.json.jose.builders.JwtBuilderFactory, org.forgerock.json.jose.jwt.JwtClaimsSet,
    org.forgerock.json.jose.jws.JwsAlgorithm, org.forgerock.json.jose.jws.SignedJwt, org.forgerock.json.jose.jws.EncryptedThenSignedJwt,
    org.forgerock.json.jose.jwe.SignedThenEncryptedJwt, org.forgerock.json.jose.jwe.JweAlgorithm, org.forgerock.json.jose.jwe.EncryptionMethod,
    org.forgerock.json.jose.jws.handlers.SecretHmacSigningHandler, org.forgerock.json.jose.jws.handlers.SecretRSASigningHandler,
    org.forgerock.json.jose.jwk.RsaJWK, org.forgerock.json.jose.jwk.EcJWK, org.forgerock.secrets.SecretBuilder, org.forgerock.secrets.keys.SigningKey,
    org.forgerock.secrets.keys.VerificationKey, javax.crypto.spec.SecretKeySpec, org.forgerock.util.encode.Base64);
    function key(kind) { var b = new fr.SecretBuilder; b.secretKey(new javax.crypto.spec.SecretKeySpec(fr.Base64.decode('MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY='), 'Hmac'));
        b.stableId('x').expiresIn(5, java.time.temporal.ChronoUnit.MINUTES, java.time.Clock.systemUTC()); return kind === 's' ? new fr.SigningKey(b) : new fr.VerificationKey(b); }
    var handler = new fr.SecretHmacSigningHandler(key('s')); var check = new fr.SecretHmacSigningHandler(key('v'));
    var secret = new javax.crypto.spec.SecretKeySpec(fr.Base64.decode('MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY='), 'AES');
    var claims = new fr.JwtClaimsSet; claims.setIssuer('me'); claims.setSubject('bob'); claims.addAudience('you'); claims.setClaim('x', { y: 1 });";

#[test]
fn tokens_are_signed_and_encrypted_either_way_round() {
    let source = format!(
        "{IMPORT}
        var inside = new fr.JwtBuilderFactory().jws(handler).headers().alg(fr.JwsAlgorithm.HS256).done().claims(claims)
            .encrypt(secret).headers().alg(fr.JweAlgorithm.DIRECT).enc(fr.EncryptionMethod.A128CBC_HS256).done().build();
        var outside = new fr.JwtBuilderFactory().jwe(secret).headers().alg(fr.JweAlgorithm.DIRECT).enc(fr.EncryptionMethod.A128CBC_HS256).done()
            .claims(claims).signedWith(handler, fr.JwsAlgorithm.HS256).build();
        var first = new fr.JwtBuilderFactory().reconstruct(inside, fr.SignedThenEncryptedJwt);
        var early; try {{ first.getClaimsSet(); early = false; }} catch (e) {{ early = true; }}
        first.decrypt(secret);
        var second = new fr.JwtBuilderFactory().reconstruct(outside, fr.EncryptedThenSignedJwt);
        var good = second.verify(check); second.decrypt(secret);
        var forged; try {{ new fr.JwtBuilderFactory().reconstruct(inside.slice(0, -4) + 'AAAA', fr.SignedThenEncryptedJwt).decrypt(secret); forged = false; }} catch (e) {{ forged = String(e); }}
        sharedState.put('it', [inside.split('.').length, outside.split('.').length, early, first.verify(check), first.getClaimsSet().getSubject(),
            first.getClaimsSet().getClaim('x').get('y'), good, second.getClaimsSet().getIssuer(), forged]); outcome = 'x'"
    );
    assert_eq!(
        decide(Legacy, &source, json!({})).shared["it"],
        json!([5, 3, true, true, "bob", 1, true, "me", "Error: the token cannot be decrypted"])
    );
}

/// A key of RFC 7515, appendix A.3, which is no secret.
const EC: &str = r#"{"kty":"EC","crv":"P-256","kid":"k","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;

#[test]
fn private_keys_sign() {
    let source = format!(
        "{IMPORT} var jwk = fr.EcJWK.parse(sharedState.get('jwk')); var b = new fr.SecretBuilder(); b.secretKey(jwk.toECPrivateKey());
        var jwt = new fr.JwtBuilderFactory().jws(new fr.SecretRSASigningHandler(new fr.SigningKey(b))).headers().alg(fr.JwsAlgorithm.ES256).kid(jwk.getKeyId()).done().claims(claims).build();
        sharedState.put('it', jwt); outcome = 'x'"
    );
    let decision = decide(Legacy, &source, json!({ "shared": { "jwk": EC } }));
    let token = decision.shared["it"].as_str().unwrap().to_owned();
    let parts: Vec<&str> = token.split('.').collect();
    let raw = |part: &str| base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, part).unwrap();
    let header: serde_json::Value = serde_json::from_slice(&raw(parts[0])).unwrap();
    assert_eq!((header["alg"].as_str(), header["kid"].as_str()), (Some("ES256"), Some("k")));
    let public = [
        vec![4],
        raw("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"),
        raw("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"),
    ]
    .concat();
    let public = ring::signature::UnparsedPublicKey::new(&ring::signature::ECDSA_P256_SHA256_FIXED, public);
    public.verify(format!("{}.{}", parts[0], parts[1]).as_bytes(), &raw(parts[2])).unwrap();

    let next = "nodeState.putShared('it', jwtAssertion.generateJwt({ jwtType: 'SIGNED', jwsAlgorithm: 'ES256', issuer: 'me', privateKey: JSON.parse(nodeState.get('jwk')) }));
        try { jwtAssertion.generateJwt({ jwsAlgorithm: 'RS256', privateKey: { kty: 'RSA' } }); } catch (e) { logger.error(e.message); } outcome = 'x'";
    let report = report(Next, next, json!({ "shared": { "jwk": EC } }), Arc::new(World::new([])));
    assert_eq!(report.result.unwrap().shared["it"].as_str().unwrap().split('.').count(), 3);
    assert!(report.log[0].text.contains("has no"), "{:?}", report.log);
}
