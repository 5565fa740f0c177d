use countersign_core::keys::Kid;
use countersign_core::token::mint::MintError;
use countersign_store::StoreError;

use crate::key_purpose::Purpose;

/// Why the keys cannot be used. The operator's fault (a database that was edited or half initialised) or the store's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum KeyringError {
    Store(StoreError),
    /// Not exactly one active key of a purpose.
    Active {
        purpose: Purpose,
        realm: Option<String>,
        found: usize,
    },
    /// A key's material does not fit its algorithm.
    Material {
        kid: Kid,
    },
    NoRealm,
    /// A file that the settings name does not hold a key.
    File(String),
    /// The upkeep's own fault: it panicked while it made a plan.
    Planning,
    /// Tokens of the realm's format cannot be made with its keys.
    Minting(MintError),
    /// A bundle whose delivery key was retired.
    Withdrawn {
        bundle: Kid,
    },
}

impl std::fmt::Display for KeyringError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Active { purpose, realm, found } => {
                write!(f, "there are {found} active {} {} keys", purpose.name, purpose.algorithm.name())?;
                if let Some(realm) = realm {
                    write!(f, " of realm {realm}")?;
                }
                f.write_str("; there must be one")
            }
            Self::Material { kid } => write!(f, "the key {kid} does not fit its algorithm"),
            Self::Minting(error) => error.fmt(f),
            Self::File(what) => f.write_str(what),
            Self::Planning => f.write_str("no plan for the keys could be made"),
            Self::NoRealm => f.write_str("the database has no realm"),
            Self::Withdrawn { bundle } => write!(f, "the edge bundle {bundle} was withdrawn"),
        }
    }
}

impl From<StoreError> for KeyringError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
