//! Keys: each has one identifier, one algorithm and one purpose, and is found by exact match.

mod algorithm;
mod bundle;
mod content;
mod delivery;
mod error;
mod host;
mod kid;
#[cfg(feature = "mint")]
mod minting;
mod set;
#[cfg(test)]
mod tests;
mod verification;

#[cfg(all(feature = "mint", feature = "signatures"))]
pub use crate::token::jws::rsa::generate as generate_rsa;
pub use algorithm::{ContentAlg, KeyAlg, SigningAlg};
pub use bundle::{Bundle, BundleError, ContentJwk, EdgeKeys, SessionFormat, VerificationJwk, Verifiers};
pub use content::ContentKey;
pub use delivery::{Delivery, DeliveryError, DeliveryKey, KeysDigest};
pub use error::KeyError;
pub use host::HostKey;
pub use kid::{BadKid, Kid};
#[cfg(feature = "mint")]
pub use minting::{MintingKeys, SealBudget, SigningKey};
pub use set::{KeySet, KeySetError, KeyState};
pub use verification::VerificationKey;
