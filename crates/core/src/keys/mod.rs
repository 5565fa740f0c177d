//! Keys: each has one identifier, one algorithm and one purpose, and is found by exact match.

mod bundle;
mod delivery;
mod kid;
mod material;
#[cfg(feature = "mint")]
mod minting;
mod set;

pub use bundle::{Bundle, BundleError, ContentJwk, EdgeKeys, VerificationJwk};
pub use delivery::{Delivery, DeliveryError, DeliveryKey, KeysDigest};
pub use kid::{BadKid, Kid};
pub use material::{ContentKey, KeyError, SigningAlg, VerificationKey};
#[cfg(feature = "mint")]
pub use minting::{MintingKeys, SealBudget, SigningKey};
pub use set::{DuplicateKid, KeySet, KeyState};
