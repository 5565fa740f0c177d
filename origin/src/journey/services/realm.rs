use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use countersign_journey::host::{Property, PropertyKind, PushSettings, Realm, RelyingParty, Schema};

use super::policies;
use crate::settings::Settings;

/// The properties of `managed/user`: name, title, kind, required, for the user to change.
const USER: [(&str, &str, PropertyKind, bool, bool); 17] = [
    ("userName", "Username", PropertyKind::Text, true, true),
    ("password", "Password", PropertyKind::Text, false, true),
    ("givenName", "First Name", PropertyKind::Text, false, true),
    ("sn", "Last Name", PropertyKind::Text, false, true),
    ("cn", "Common Name", PropertyKind::Text, false, true),
    ("displayName", "Display Name", PropertyKind::Text, false, true),
    ("mail", "Email Address", PropertyKind::Text, false, true),
    ("description", "Description", PropertyKind::Text, false, true),
    ("telephoneNumber", "Telephone Number", PropertyKind::Text, false, true),
    ("postalAddress", "Address 1", PropertyKind::Text, false, true),
    ("address2", "Address 2", PropertyKind::Text, false, true),
    ("city", "City", PropertyKind::Text, false, true),
    ("postalCode", "Postal Code", PropertyKind::Text, false, true),
    ("country", "Country", PropertyKind::Text, false, true),
    ("stateProvince", "State/Province", PropertyKind::Text, false, true),
    ("preferences/updates", "Send me news and updates", PropertyKind::Boolean, false, true),
    ("preferences/marketing", "Send me special offers and services", PropertyKind::Boolean, false, true),
];

/// What nodes look at, for each realm; made once for every change of the settings and not for every step.
#[derive(Default)]
pub(crate) struct Realms(Mutex<Option<Made>>);

struct Made {
    from: Arc<Settings>,
    realms: BTreeMap<String, Arc<Realm>>,
}

impl Realms {
    /// Of a realm that exists: one is kept for each name that was asked for.
    pub(super) fn get(&self, settings: &Arc<Settings>, name: &str) -> Arc<Realm> {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let made = match &mut *made {
            Some(made) if Arc::ptr_eq(&made.from, settings) => made,
            other => other.insert(Made { from: Arc::clone(settings), realms: BTreeMap::new() }),
        };
        if let Some(realm) = made.realms.get(name) {
            return Arc::clone(realm);
        }
        let realm = Arc::new(of(settings, name));
        made.realms.insert(name.to_owned(), Arc::clone(&realm));
        realm
    }
}

pub(crate) fn of(settings: &Settings, name: &str) -> Realm {
    let realm = settings.realm(name);
    let (policy, party, own) = (&realm.passwords, &realm.relying_party, &realm.identities);
    let properties: BTreeMap<String, Property> = USER
        .into_iter()
        .map(|(name, title, kind, required, user_editable)| {
            let property = Property {
                title: title.to_owned(),
                kind,
                required,
                viewable: name != "password",
                user_editable,
                policies: policies::shown(name, required, policy),
            };
            (name.to_owned(), property)
        })
        .collect();
    let declared = own.properties.iter().map(|(name, property)| {
        let policies = policies::shown(name, property.required, policy);
        (name.clone(), Property { policies, ..property.clone() })
    });
    let properties = properties.into_iter().chain(declared).collect();
    let parameter = if name == "/" { String::new() } else { format!("realm={name}&") };
    let nodes = &settings.realm(name).nodes;
    let path: String = name.split('/').filter(|part| !part.is_empty()).map(|part| format!("/realms/{part}")).collect();
    let push = |action: &str| {
        format!("{}/am/json/realms/root{path}/push/sns/message?_action={action}", settings.public_url.origin())
    };
    Realm {
        name: name.to_owned(),
        terms: own.terms.clone(),
        kba: own.kba.clone(),
        resume_uri: format!("{}/am/XUI/?{parameter}suspendedId=", settings.public_url.origin()),
        relying_party: RelyingParty { id: party.id.clone(), origins: party.origins.clone() },
        app_schemes: settings.destinations.app_schemes().map(str::to_owned).collect(),
        secrets: nodes.secrets.clone(),
        push: PushSettings {
            gateway: nodes.push_gateway.clone(),
            register: push("register"),
            authenticate: push("authenticate"),
        },
        consents: nodes.consents.clone(),
        ping_one_environments: nodes.ping_one_environments.clone(),
        key_attestation: nodes.key_attestation.clone(),
        schemas: [(Realm::DEFAULT_RESOURCE.to_owned(), Schema { properties })].into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Origin;

    #[tokio::test]
    async fn it_is_made_once_and_anew_when_the_settings_change() {
        let origin = Origin::new().await;
        let (realms, settings) = (Realms::default(), origin.app.settings());
        let first = realms.get(&settings, "/alpha");
        assert!(Arc::ptr_eq(&first, &realms.get(&settings, "/alpha")));
        assert_eq!(realms.get(&settings, "/beta").name, "/beta");
        let changed = Arc::new(Settings::clone(&settings));
        let second = realms.get(&changed, "/alpha");
        assert!(!Arc::ptr_eq(&first, &second) && second.name == "/alpha");
    }
}
