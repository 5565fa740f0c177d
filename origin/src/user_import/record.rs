use countersign_store::{Attributes, IdentityStatus};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::journey::services::flattened;

/// One record, whatever the file's format.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) username: Option<String>,
    pub(crate) hash: Option<String>,
    pub(crate) password: Option<Zeroizing<String>>,
    pub(crate) status: Option<IdentityStatus>,
    pub(crate) attributes: Attributes,
}

/// What a name means; all others are attributes.
enum Meaning {
    Username,
    Hash,
    Password,
    /// A directory's: a hash when it looks like one.
    Either,
    Status,
    Ignored,
    Attribute,
}

fn meaning(name: &str) -> Meaning {
    match name.to_ascii_lowercase().as_str() {
        "username" | "uid" => Meaning::Username,
        "password_hash" | "passwordhash" => Meaning::Hash,
        "password" => Meaning::Password,
        "userpassword" => Meaning::Either,
        "status" | "accountstatus" | "inetuserstatus" => Meaning::Status,
        // What directories keep for themselves.
        "dn" | "objectclass" | "structuralobjectclass" | "entryuuid" | "entrydn" | "_id" | "_rev" => Meaning::Ignored,
        _ => Meaning::Attribute,
    }
}

impl Record {
    /// Adds a value of a table or a directory, where all are texts.
    pub(super) fn add(&mut self, name: &str, value: &str) -> Result<(), String> {
        let name = name.trim();
        match meaning(name) {
            // A blank field of a table says nothing.
            _ if value.is_empty() => {}
            Meaning::Username => once(&mut self.username, value.to_owned(), name)?,
            Meaning::Hash => once(&mut self.hash, value.to_owned(), name)?,
            Meaning::Either if value.starts_with(['{', '$']) => once(&mut self.hash, value.to_owned(), name)?,
            // A dump whose column has another name here: as a password it would log in whoever has the dump.
            Meaning::Password if value.starts_with(['{', '$']) => {
                return Err("the password looks like a hash, whose column is passwordHash or userPassword".to_owned());
            }
            Meaning::Password | Meaning::Either => {
                once(&mut self.password, Zeroizing::new(value.to_owned()), name)?;
            }
            Meaning::Status => once(&mut self.status, status(value)?, name)?,
            Meaning::Ignored => {}
            Meaning::Attribute => self.attributes.entry(name.to_owned()).or_default().push(value.to_owned()),
        }
        Ok(())
    }

    /// A record whose values may be lists and objects.
    pub(super) fn of_object(object: Map<String, Value>) -> Result<Self, String> {
        let (mut record, mut rest) = (Self::default(), Map::new());
        for (name, value) in object {
            match (meaning(&name), value) {
                (Meaning::Attribute, value) => {
                    rest.insert(name, value);
                }
                (Meaning::Ignored, _) | (_, Value::Null) => {}
                (_, Value::String(text)) => record.add(&name, &text)?,
                (_, Value::Array(list)) if matches!(list.as_slice(), [Value::String(_)]) => {
                    record.add(&name, list.first().and_then(Value::as_str).unwrap_or_default())?;
                }
                _ => return Err(format!("{name} is no text")),
            }
        }
        record.attributes = flattened(&rest)?;
        record.attributes.retain(|_, values| !values.is_empty());
        Ok(record)
    }
}

fn once<T>(slot: &mut Option<T>, value: T, name: &str) -> Result<(), String> {
    if slot.is_some() {
        return Err(format!("there is more than one {name}"));
    }
    *slot = Some(value);
    Ok(())
}

fn status(text: &str) -> Result<IdentityStatus, String> {
    match text.to_ascii_lowercase().as_str() {
        "active" => Ok(IdentityStatus::Active),
        "inactive" => Ok(IdentityStatus::Inactive),
        _ => Err("the status must be active or inactive".to_owned()),
    }
}
