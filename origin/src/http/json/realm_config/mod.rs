//! `…/realm-config/…`: the settings of a realm, for its administrators.

pub(super) mod authentication;
