//! The examples of the RFCs. Their headers lack our `typ`, so they go through `vectors`, which is the same code below
//! the header.

#[cfg(feature = "foreign")]
mod foreign;
mod rfc7520;

use super::TokenError;
use crate::encoding::{decode, encode};
use crate::keys::{ContentAlg, ContentKey, KeyAlg, Kid, SigningAlg, SigningKey, VerificationKey};
use crate::vectors;

fn kid() -> Kid {
    Kid::try_from("rfc".to_owned()).unwrap()
}

fn bytes(text: &str) -> Vec<u8> {
    decode(text.as_bytes()).unwrap()
}

fn point(x: &str, y: &str) -> Vec<u8> {
    [vec![4], bytes(x), bytes(y)].concat()
}

/// The PKCS#1 DER of a 2,048-bit key with the exponent 65537.
fn rsa(modulus: &str) -> Vec<u8> {
    let modulus = bytes(modulus);
    assert_eq!(modulus.len(), 256);
    [&[0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0][..], &modulus, &[2, 3, 1, 0, 1]].concat()
}

/// Verifies, and fails to once the payload or the signature is another.
fn verified(alg: SigningAlg, key: &[u8], token: &str) -> String {
    let key = VerificationKey::new(kid(), alg, key).unwrap();
    let payload = vectors::verify(token.as_bytes(), &key).unwrap();
    let [header, body, signature] = <[&str; 3]>::try_from(token.split('.').collect::<Vec<_>>()).unwrap();
    let other = vectors::verify(format!("{header}.{}.{signature}", encode(b"other")).as_bytes(), &key);
    assert_eq!(other, Err(TokenError::Signature));
    let mut changed = decode(signature.as_bytes()).unwrap();
    changed[5] ^= 1;
    let other = vectors::verify(format!("{header}.{body}.{}", encode(&changed)).as_bytes(), &key);
    assert_eq!(other, Err(TokenError::Signature));
    String::from_utf8(payload).unwrap()
}

fn opened(alg: KeyAlg, enc: ContentAlg, key: &[u8], token: &str) -> String {
    let key = ContentKey::new(kid(), alg, enc, key).unwrap();
    String::from_utf8(vectors::open(token.as_bytes(), &key).unwrap()).unwrap()
}

const JOE: &str = "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";
const JOE_ENCODED: &str =
    concat!("eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt", "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ",);

#[test]
fn rfc7515_a1_hs256() {
    let key = bytes("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow");
    let signature = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let token = format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{JOE_ENCODED}.{signature}");
    assert_eq!(verified(SigningAlg::Hs256, &key, &token), JOE);
}

#[test]
fn rfc7515_a2_rs256() {
    let modulus = concat!(
        "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt",
        "0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSX",
        "ndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5",
        "IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
    );
    let signature = concat!(
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W",
        "2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkS",
        "jtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnv",
        "Wh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    );
    let token = format!("eyJhbGciOiJSUzI1NiJ9.{JOE_ENCODED}.{signature}");
    assert_eq!(verified(SigningAlg::Rs256, &rsa(modulus), &token), JOE);
}

#[test]
fn rfc7515_a3_es256() {
    let key = point("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
    let signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let token = format!("eyJhbGciOiJFUzI1NiJ9.{JOE_ENCODED}.{signature}");
    assert_eq!(verified(SigningAlg::Es256, &key, &token), JOE);
}

#[test]
fn rfc7515_a4_es512() {
    let key = point(
        "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
        "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
    );
    let token = concat!(
        "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.",
        "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7Xdt",
        "AG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
    );
    assert_eq!(verified(SigningAlg::Es512, &key, token), "Payload");
}

/// RSAES-PKCS1-v1_5 has no name here, so no key can be made for it and the header is as far as the example gets,
/// whatever key is at hand: nothing is decrypted that padding could be told from (J23).
/// Under the RFC's key, as PKCS#8.
#[test]
fn rfc7516_a1_rsa_oaep_a256gcm() {
    let key = bytes(include_str!("../../../testdata/rfc7516-a1.pkcs8").trim());
    let token = concat!(
        "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.OKOawDo13gRp2ojaHV7LFpZcgV7T6DVZKTyKOMTYUmKoTCVJR",
        "gckCL9kiMT03JGeipsEdY3mx_etLbbWSrFr05kLzcSr4qKAq7YN7e9jwQRb23nfa6c9d-",
        "StnImGyFDbSv04uVuxIp5Zms1gNxKKK2Da14B8S4rzVRltdYwam_lDp5XnZAYpQdb76FdIKLaVmqgfwX7XWRxv2322i-",
        "vDxRfqNzo_tETKzpVLzfiwQyeyPGLBIO56YJ7eObdv0je81860ppamavo35UgoRdbYaBcoh9QcfylQr66oc6vFWXRcZ_ZT2L",
        "awVCWTIy3brGPi6UklfCpIMfIjf7iGdXKHzg.48V1_ALb6US04U3b.5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo",
        "4vpzs9tX_EFShS8iB7j6jiSdiwkIr3ajwQzaBtQD_A.XFBoMYUZodetZdvTiFvSkQ",
    );
    let content = vectors::open_sha1(token.as_bytes(), &key).unwrap();
    assert_eq!(content, b"The true sign of intelligence is not knowledge but imagination.");
    // With SHA-256 it is another algorithm, and the key no key for this token.
    let key = ContentKey::new(kid(), KeyAlg::RsaOaep256, ContentAlg::A256Gcm, &key).unwrap();
    assert_eq!(vectors::open(token.as_bytes(), &key), Err(TokenError::Algorithm));
}

#[test]
fn j23_rfc7516_a2_rsa1_5_is_refused() {
    let token = concat!(
        "eyJhbGciOiJSU0ExXzUiLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0.",
        "UGhIOguC7IuEvf_NPVaXsGMoLOmwvc1GyqlIKOK1nN94nHPoltGRhWhw7Zx0-kFm1NJn8LE9XShH59_i8J0PH5ZZyNfGy2xGdULU7sHNF6Gp2vPL",
        "gNZ__deLKxGHZ7PcHALUzoOegEI-8E66jX2E4zyJKx-YxzZIItRzC5hlRirb6Y5Cl_p-ko3YvkkysZIFNPccxRU7qve1WYPxqbb2Yw8kZqa2rMWI",
        "5ng8OtvzlV7elprCbuPhcCdZ6XDP0_F8rkXds2vE4X-ncOIM8hAYHHi29NX0mcKiRaD0-D-ljQTP-cFPgwCp6X-nZZd9OHBv-B3oWh2TbqmScqXM",
        "R4gp_A.AxY8DCtDaGlsbGljb3RoZQ.KDlTtXchhZTGufMYmOYGS4HffxPSUrfmqCHXaI9wOGY.9hH0vgRfYgPnAHOd8stkvw",
    );
    let [protected, encrypted_key, ..] = <[&str; 5]>::try_from(token.split('.').collect::<Vec<_>>()).unwrap();
    assert_eq!(bytes(protected), br#"{"alg":"RSA1_5","enc":"A128CBC-HS256"}"#);
    assert_eq!(bytes(encrypted_key).len(), 256, "the example is whole");
    assert_eq!(KeyAlg::named("RSA1_5"), None);
    let rsa = bytes(include_str!("../../../testdata/rsa-2048.pkcs8").trim());
    for (alg, key) in [(KeyAlg::RsaOaep256, &rsa[..]), (KeyAlg::Dir, &[4; 32]), (KeyAlg::A128Kw, &[4; 16])] {
        let key = ContentKey::new(kid(), alg, ContentAlg::A128CbcHs256, key).unwrap();
        assert_eq!(vectors::open(token.as_bytes(), &key), Err(TokenError::Algorithm), "{alg:?}");
    }
}

#[test]
fn rfc7516_a3_a128kw_a128cbc_hs256() {
    let token = concat!(
        "eyJhbGciOiJBMTI4S1ciLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0.",
        "6KB707dM9YTIgHtLvtgWQ8mKwboJW3of9locizkDTHzBC2IlrT1oOQ.AxY8DCtDaGlsbGljb3RoZQ.",
        "KDlTtXchhZTGufMYmOYGS4HffxPSUrfmqCHXaI9wOGY.U0m_YmjN04DJvceFICbCVQ",
    );
    let key = bytes("GawgguFyGrWKav7AX4VKUg");
    assert_eq!(opened(KeyAlg::A128Kw, ContentAlg::A128CbcHs256, &key, token), "Live long and prosper.");
}

/// The same plaintext, IV and AAD under the first bytes of one key; ciphertext and tag must come out as printed.
#[test]
fn rfc7518_appendix_b() {
    use crate::token::jwe::content::Cipher;
    const PLAIN: &str = "A cipher system must not be required to be secret, and it must be able to fall into the hands of \
                         the enemy without inconvenience";
    const AAD: &str = "The second principle of Auguste Kerckhoffs";
    let iv = [0x1a, 0xf3, 0x8c, 0x2d, 0xc2, 0xb9, 0x6f, 0xfd, 0xd8, 0x66, 0x94, 0x09, 0x23, 0x41, 0xbc, 0x04];
    let cases: [(ContentAlg, [u8; 4], &[u8]); 3] = [
        (
            ContentAlg::A128CbcHs256,
            [0xc8, 0x0e, 0xdf, 0xa3],
            &[0x65, 0x2c, 0x3f, 0xa3, 0x6b, 0x0a, 0x7c, 0x5b, 0x32, 0x19, 0xfa, 0xb3, 0xa3, 0x0b, 0xc1, 0xc4],
        ),
        (
            ContentAlg::A192CbcHs384,
            [0xea, 0x65, 0xda, 0x6b],
            &[
                0x84, 0x90, 0xac, 0x0e, 0x58, 0x94, 0x9b, 0xfe, 0x51, 0x87, 0x5d, 0x73, 0x3f, 0x93, 0xac, 0x20, 0x75,
                0x16, 0x80, 0x39, 0xcc, 0xc7, 0x33, 0xd7,
            ],
        ),
        (
            ContentAlg::A256CbcHs512,
            [0x4a, 0xff, 0xaa, 0xad],
            &[
                0x4d, 0xd3, 0xb4, 0xc0, 0x88, 0xa7, 0xf4, 0x5c, 0x21, 0x68, 0x39, 0x64, 0x5b, 0x20, 0x12, 0xbf, 0x2e,
                0x62, 0x69, 0xa8, 0xc5, 0x6a, 0x81, 0x6d, 0xbc, 0x1b, 0x26, 0x77, 0x61, 0x95, 0x5b, 0xc5,
            ],
        ),
    ];
    for (enc, start, tag) in cases {
        let key: Vec<u8> = (0..u8::try_from(enc.key_len()).unwrap()).collect();
        let cipher = Cipher::new(enc, &key).unwrap();
        let mut content = PLAIN.as_bytes().to_vec();
        assert_eq!(cipher.seal(AAD.as_bytes(), &iv, &mut content).unwrap(), tag, "{enc:?}");
        assert_eq!((content.len(), &content[..4]), (144, &start[..]), "{enc:?}");
        let (iv, tag) = (encode(&iv), encode(tag));
        cipher.open(AAD.as_bytes(), iv.as_bytes(), tag.as_bytes(), &mut content).unwrap();
        assert_eq!(content, PLAIN.as_bytes());
    }
}

/// The paragraph of figure 7, and the longer ones of figure 72 that the JWEs hold.
const FELLOWSHIP: &str = "It’s a dangerous business, Frodo, going out your door.";
const TRUST: &str = "You can trust us to stick with you through thick and thin";

#[test]
fn rfc7520_4_signatures() {
    let es512 = point(
        "AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt",
        "AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1",
    );
    for (alg, key, token) in [
        (SigningAlg::Rs256, rsa(rfc7520::RSA_MODULUS), rfc7520::FIGURE_13),
        (SigningAlg::Es512, es512, rfc7520::FIGURE_27),
        (SigningAlg::Hs256, bytes("hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg"), rfc7520::FIGURE_35),
    ] {
        assert!(verified(alg, &key, token).starts_with(FELLOWSHIP), "{alg:?}");
    }
}

#[test]
fn rfc7520_5_encryptions() {
    let wrapping = bytes("GZy6sIZ6wl9NJOKB-jnmVQ");
    for (alg, key, token) in [
        (KeyAlg::Dir, bytes("XctOhJAkA-pD9Lh7ZgW_2A"), rfc7520::FIGURE_136),
        (KeyAlg::A128Kw, wrapping.clone(), rfc7520::FIGURE_159),
        (KeyAlg::A128Kw, wrapping, rfc7520::FIGURE_170),
    ] {
        let content = opened(alg, ContentAlg::A128Gcm, &key, token);
        assert!(content.contains(TRUST), "{alg:?} {content}");
    }
}

#[test]
fn rfc8037_a4_eddsa() {
    let public = bytes("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    let seed: [u8; 32] = bytes("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").try_into().unwrap();
    let key = SigningKey::ed25519(kid(), &seed);
    assert_eq!(key.public().unwrap().to_vec(), public);
    let input = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    assert_eq!(encode(&key.sign(input.as_bytes(), &mut |_: &mut [u8]| ()).unwrap()), signature);
    assert_eq!(verified(SigningAlg::EdDsa, &public, &format!("{input}.{signature}")), "Example of Ed25519 signing");
}
