//! What is sealed to an edge's bundle, and which bundles there may be.
//!
//! Nothing is kept of a bundle: its keys are derived from one of the installation's delivery keys, which the bundle's
//! identifier names. A delivery key that is retired takes all bundles of its time with it: what comes later cannot be
//! opened with them, whatever credential they have.

use countersign_core::encoding;
use countersign_core::keys::{DeliveryKey, KeyState, Kid};
use countersign_store::StoredKey;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::ambient::{Entropy, random};
use crate::key_purpose::EDGE_DELIVERY;
use crate::keyring::{Keyring, KeyringError};

impl Keyring {
    /// An identifier for a bundle that is to be made.
    pub(crate) fn new_bundle(&self, entropy: &dyn Entropy) -> Result<Kid, KeyringError> {
        let active = self.of_installation(EDGE_DELIVERY).find(|key| key.state == KeyState::Active);
        let active = active.ok_or(KeyringError::Active { purpose: EDGE_DELIVERY, realm: None, found: 0 })?;
        let id = format!("{}-{}", active.kid, encoding::encode(&random::<12>(entropy)));
        Kid::try_from(id).map_err(|_| KeyringError::Material { kid: active.kid.clone() })
    }

    /// The delivery key of the bundle `id` for an edge of `realm`.
    pub(crate) fn delivery_key(&self, realm: &str, id: Kid) -> Result<DeliveryKey, KeyringError> {
        self.derived("edge delivery", realm, id)
    }

    /// Likewise what [`Keyring::host_delivery`] is sealed under. Another one, because the module knows the first, and
    /// the assertion key never is where the module could see it.
    pub(crate) fn host_delivery_key(&self, realm: &str, id: Kid) -> Result<DeliveryKey, KeyringError> {
        self.derived("edge host delivery", realm, id)
    }

    /// Whether a bundle is of before the last change of the delivery key.
    pub(crate) fn is_old_bundle(&self, id: &Kid) -> bool {
        self.master_of(id).is_some_and(|key| key.state == KeyState::VerifyOnly)
    }

    /// The delivery keys that old bundles hang on.
    pub(crate) fn old_delivery_keys(&self) -> impl Iterator<Item = &Kid> {
        let old = self.of_installation(EDGE_DELIVERY).filter(|key| key.state == KeyState::VerifyOnly);
        old.map(|key| &key.kid)
    }

    fn master_of(&self, id: &Kid) -> Option<&StoredKey> {
        let named =
            |key: &&StoredKey| id.as_str().strip_prefix(key.kid.as_str()).is_some_and(|random| random.starts_with('-'));
        // Bundles of an earlier version name none; there was one only, the first.
        self.of_installation(EDGE_DELIVERY).find(named).or_else(|| self.of_installation(EDGE_DELIVERY).next())
    }

    fn derived(&self, what: &str, realm: &str, id: Kid) -> Result<DeliveryKey, KeyringError> {
        let master = self.master_of(&id).filter(|key| key.state.verifies());
        let master = master.ok_or_else(|| KeyringError::Withdrawn { bundle: id.clone() })?;
        let mac = Hmac::<Sha256>::new_from_slice(&master.secret);
        let mut mac = mac.map_err(|_| KeyringError::Material { kid: master.kid.clone() })?;
        for part in [what, realm, id.as_str()] {
            mac.update(part.as_bytes());
            mac.update(&[0]); // in none of the parts
        }
        let key = encoding::encode(&mac.finalize().into_bytes());
        Ok(DeliveryKey { id, key, keys: self.digest })
    }
}
