//! What of the settings is another after the file was read again: for the log and the audit.

use std::fmt::Debug;

use super::Settings;

impl Settings {
    /// The sections and settings that are another in `new`.
    pub(crate) fn changed(&self, new: &Self) -> Vec<String> {
        fn differs(one: &impl Debug, other: &impl Debug) -> bool {
            format!("{one:?}") != format!("{other:?}")
        }
        let grace = "server.shutdown_grace_seconds";
        let mut changed: Vec<String> = self.needing_a_start(new).into_iter().map(str::to_owned).collect();
        let of_all = [
            ("server.public_url", self.public_url != new.public_url),
            (grace, self.shutdown_grace != new.shutdown_grace && !changed.iter().any(|name| name == grace)),
            ("session", differs(&self.everywhere.session, &new.everywhere.session)),
            ("journey", differs(&self.everywhere.journey, &new.everywhere.journey)),
            ("denylist", differs(&self.denylist, &new.denylist)),
            ("audit", self.audit_seconds != new.audit_seconds),
            ("keys", differs(&self.keys, &new.keys) && !changed.iter().any(|name| name == "keys.max_seals")),
            ("validation", differs(&self.destinations, &new.destinations)),
            ("cors", self.cors != new.cors),
            ("server.client_address", differs(&self.client_address, &new.client_address)),
            ("scripts", differs(&self.scripts, &new.scripts)),
            ("rate_limits", differs(&self.rate_limits, &new.rate_limits)),
            ("accountlockout", differs(&self.everywhere.lockout, &new.everywhere.lockout)),
            ("passwords", differs(&self.everywhere.passwords, &new.everywhere.passwords)),
            ("identities", differs(&self.everywhere.identities, &new.everywhere.identities)),
            ("nodes", differs(&self.everywhere.nodes, &new.everywhere.nodes)),
            ("webauthn", differs(&self.everywhere.relying_party, &new.everywhere.relying_party)),
        ];
        changed.extend(of_all.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name.to_owned()));
        let mut realms: Vec<&String> = self.realms.keys().chain(new.realms.keys()).collect();
        realms.sort_unstable();
        realms.dedup();
        for name in realms {
            let (before, after) = (self.realm(name), new.realm(name));
            for (section, differs) in [
                ("session", differs(&before.session, &after.session)),
                ("journey", differs(&before.journey, &after.journey)),
                ("accountlockout", differs(&before.lockout, &after.lockout)),
                ("passwords", differs(&before.passwords, &after.passwords)),
                ("identities", differs(&before.identities, &after.identities)),
                ("nodes", differs(&before.nodes, &after.nodes)),
                ("webauthn", differs(&before.relying_party, &after.relying_party)),
            ] {
                changed.extend(differs.then(|| format!("realm.{name:?}.{section}")));
            }
        }
        changed
    }
}
