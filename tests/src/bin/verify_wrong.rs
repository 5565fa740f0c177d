//! `verify-wrong <hs256|a256gcm> <byte>`: refuses a token whose signature or tag is wrong in one byte, some times over.
//! For counting instructions: what differs between two runs is which byte that is.

use countersign_core::encoding::{decode, encode};
use countersign_core::keys::{ContentKey, KeySet, KeyState, Kid, MintingKeys, SigningKey};
use countersign_core::token::mint::mint;
use countersign_core::token::{Envelope, Kind, Scratch, open};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (envelope, at) = match &args[..] {
        [_, layer, at] => {
            (if layer == "hs256" { Envelope::Sign } else { Envelope::Encrypt }, at.parse::<usize>().expect("a number"))
        }
        _ => panic!("usage: verify-wrong <hs256|a256gcm> <byte>"),
    };
    let kid = |text: &str| Kid::try_from(text.to_owned()).expect("a key identifier");
    let signing = SigningKey::hs256(kid("s"), &[2; 32]).expect("a signing key");
    let content = ContentKey::a256gcm(kid("e"), &[3; 32]).expect("a content key");
    let verification = signing.verification_key().expect("what verifies");
    let set = KeySet::new(envelope, vec![(KeyState::Active, verification)], vec![(KeyState::Active, content.clone())]);
    let set = set.expect("a key set");
    let minting = MintingKeys::new(envelope, Some(signing), Some(content)).expect("minting keys");
    let token = mint(&"claims", Kind::Session, &minting, &mut |out: &mut [u8]| out.fill(7)).expect("a token");
    let (head, tail) = token.rsplit_once('.').expect("parts");
    let mut tail = decode(tail.as_bytes()).expect("base64url");
    tail[at] ^= 1;
    let wrong = format!("{head}.{}", encode(&tail));
    let mut scratch = Scratch::default();
    for _ in 0..200 {
        assert!(open::<String>(wrong.as_bytes(), Kind::Session, &set, &mut scratch).is_err());
    }
}
