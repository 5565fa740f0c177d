use std::collections::BTreeMap;

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

/// What nodes look at.
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
        secrets: nodes.secrets.clone(),
        push: PushSettings {
            gateway: nodes.push_gateway.clone(),
            register: push("register"),
            authenticate: push("authenticate"),
        },
        consents: nodes.consents.clone(),
        ping_one_environments: nodes.ping_one_environments.clone(),
        schemas: [(Realm::DEFAULT_RESOURCE.to_owned(), Schema { properties })].into(),
    }
}
