//! `/am/json/global-config/…`: the settings of the installation, for administrators of the root realm.

pub(super) mod realms;
pub(super) mod session;
