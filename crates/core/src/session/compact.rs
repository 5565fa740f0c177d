//! Session properties as they stand in a token: each thing said once.
//!
//! AM gives a session two dozen properties, most of which repeat its other claims or have one value everywhere. In the
//! claims they are an array, `"p": [1, "item", …]`: the version, then items in the properties' order. An item is
//!
//! ```text
//! item     = 1*DERIVED / *DERIVED explicit
//! DERIVED  = %x41-5A                 ; a letter's property, with the value that follows from the claims
//! explicit = letter text             ; a letter's property, with this value
//!          / "+" letter text         ; its stem, then this text
//!          / "#" letter 22base64url text ; a UUID (RFC 9562 §4) in lower case, then this text
//!          / "=" name                ; a property without a letter; the next item is its value and nothing else
//! letter   = %x61-7A
//! ```
//!
//! [`DICTIONARY`] has the letters of version 1. A letter without a meaning is an error, as is an unknown version: a new
//! letter, or another value for an old one, is a new version, which verifiers must know before anything mints it. The
//! values of a version are part of the format and never change. An object of strings, as tokens had it before, is read
//! too. What is written is always the shortest of the forms, so that equal sessions have equal claims.

use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeSeq as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Properties;
use super::properties::Append;
use crate::encoding::decode_array;
use crate::time::UnixSeconds;

const VERSION: u64 = 1;

/// Names by letter, from `a` on, with how their value follows: AM's default properties, then what identity headers are
/// made of.
const DICTIONARY: [(&str, Rule); 25] = [
    ("AMCtxId", Rule::None),
    ("amlbcookie", Rule::Is("01")),
    ("authInstant", Rule::AuthInstant),
    ("AuthLevel", Rule::AuthLevel),
    ("AuthType", Rule::Is("DataStore")),
    ("CharSet", Rule::Is("UTF-8")),
    ("clientType", Rule::Is("genericHTML")),
    ("FullLoginURL", Rule::LoginUrl),
    (HOST, Rule::None),
    ("HostName", Rule::Host),
    ("IndexType", Rule::Is("service")),
    ("Locale", Rule::Is("en_US")),
    (ORGANIZATION, Rule::Organization),
    ("Principal", Rule::UniversalId),
    ("Principals", Rule::Principals),
    ("Service", Rule::Is("Login")),
    ("successURL", Rule::Is("/am/console")),
    ("sun.am.UniversalIdentifier", Rule::UniversalId),
    ("UserId", Rule::Subject),
    ("UserProfile", Rule::Is("Required")),
    ("UserToken", Rule::Subject),
    ("XUSRef", Rule::None),
    ("mail", Rule::None),
    ("cn", Rule::None),
    ("groups", Rule::None),
];
const HOST: &str = "Host";
const ORGANIZATION: &str = "Organization";

/// How a property's value follows from the claims and two of the properties.
#[derive(Clone, Copy)]
enum Rule {
    /// It does not.
    None,
    /// AM's default.
    Is(&'static str),
    /// `sub`.
    Subject,
    /// `lvl`.
    AuthLevel,
    /// The time of authentication (RFC 3339, UTC).
    AuthInstant,
    /// `/am/UI/Login?realm=` and the realm; all of it is the stem.
    LoginUrl,
    /// The property `Host`.
    Host,
    /// The realm's DN, as `o=child,o=parent,ou=services,ou=am-config`; the stem is what is before `ou=am-config`.
    Organization,
    /// `id=` sub `,ou=user,` Organization.
    UniversalId,
    /// `sub`, `|` and the universal identifier.
    Principals,
}

/// What values follow from.
pub(super) struct Facts<'a> {
    pub(super) sub: &'a str,
    pub(super) realm: &'a str,
    pub(super) auth_level: u32,
    pub(super) auth_time: UnixSeconds,
}

const DEFAULT_BASE: &str = "ou=am-config";

impl Facts<'_> {
    /// Appends the value of a rule; gives the length of its stem. `None` when no value follows.
    fn derive(&self, rule: Rule, host: Option<&str>, organization: &str, out: &mut String) -> Option<usize> {
        let start = out.len();
        let mut stem = 0;
        match rule {
            Rule::None => return None,
            Rule::Is(value) => out.push_str(value),
            Rule::Subject => out.push_str(self.sub),
            // Writing to a string does not fail.
            Rule::AuthLevel => write!(out, "{}", self.auth_level).ok()?,
            Rule::AuthInstant => rfc3339(self.auth_time, out)?,
            Rule::LoginUrl => {
                out.push_str("/am/UI/Login?realm=");
                out.push_str(self.realm);
                stem = out.len() - start;
            }
            Rule::Host => out.push_str(host?),
            Rule::Organization => {
                let mut realms = self.realm.split('/').filter(|name| !name.is_empty()).rev().peekable();
                let is_root = realms.peek().is_none();
                for name in realms {
                    out.push_str("o=");
                    out.push_str(name);
                    out.push(',');
                }
                out.push_str(if is_root { "" } else { "ou=services," });
                stem = out.len() - start;
                out.push_str(DEFAULT_BASE);
            }
            Rule::UniversalId => self.universal_id(organization, out),
            Rule::Principals => {
                out.push_str(self.sub);
                out.push('|');
                self.universal_id(organization, out);
            }
        }
        Some(stem)
    }

    fn universal_id(&self, organization: &str, out: &mut String) {
        for part in ["id=", self.sub, ",ou=user,", organization] {
            out.push_str(part);
        }
    }

    /// The organization that the properties name, else the one that follows.
    fn organization(&self, named: Option<&str>) -> String {
        let mut organization = String::new();
        match named {
            Some(named) => organization.push_str(named),
            None => _ = self.derive(Rule::Organization, None, "", &mut organization),
        }
        organization
    }
}

/// Appends `2026-11-21T09:15:42Z`; nothing for years that do not have four digits.
fn rfc3339(at: UnixSeconds, out: &mut String) -> Option<()> {
    let (days, seconds) = (at.0 / 86_400, at.0 % 86_400);
    if days > 2_932_896 {
        return None;
    }
    // Hinnant, "chrono-Compatible Low-Level Date Algorithms": years that begin in March, in eras of 400.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z").ok()
}

/// Items, one after the other, or properties as they are.
pub(super) enum Wire {
    Plain(Properties),
    Items(Items),
}

#[derive(Default)]
pub(super) struct Items {
    text: String,
    /// Where each ends in `text`.
    ends: Vec<usize>,
}

impl Items {
    fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).filter_map(|(start, end)| self.text.get(start..*end))
    }

    fn close(&mut self) {
        self.ends.push(self.text.len());
    }

    pub(super) fn of(properties: &Properties, facts: &Facts<'_>) -> Self {
        let (host, organization) = (properties.get(HOST), facts.organization(properties.get(ORGANIZATION)));
        let (mut items, mut derived) = (Self::default(), String::new());
        // Letters of derived values are put before whatever comes next.
        let mut open = false;
        for (name, value) in properties.iter() {
            let Some((letter, rule)) = letter_of(name) else {
                items.text.push('=');
                items.text.push_str(name);
                items.close();
                items.text.push_str(value);
                items.close();
                open = false;
                continue;
            };
            derived.clear();
            let stem = facts.derive(rule, host, &organization, &mut derived);
            if stem.is_some() && derived == value {
                items.text.push(letter.to_ascii_uppercase());
                open = true;
                continue;
            }
            let rest = stem.filter(|stem| *stem > 0).and_then(|stem| value.strip_prefix(derived.get(..stem)?));
            match (rest, uuid(value)) {
                (Some(rest), _) => items.text.extend(['+', letter].into_iter().chain(rest.chars())),
                (None, Some((uuid, rest))) => {
                    items.text.extend(['#', letter]);
                    URL_SAFE_NO_PAD.encode_string(uuid.to_be_bytes(), &mut items.text);
                    items.text.push_str(rest);
                }
                (None, None) => items.text.extend(std::iter::once(letter).chain(value.chars())),
            }
            items.close();
            open = false;
        }
        if open {
            items.close();
        }
        items
    }

    /// The properties that the items stand for.
    pub(super) fn expand(&self, facts: &Facts<'_>) -> Result<Properties, BadItem> {
        // What other values follow from comes first, wherever it stands.
        let (mut host, mut named) = (None, None);
        self.read(|property, _| {
            let name = property.name;
            if name == HOST || name == ORGANIZATION {
                let mut value = String::new();
                property.write(facts, None, "", &mut value)?;
                *(if name == HOST { &mut host } else { &mut named }) = Some(value);
            }
            Ok(())
        })?;
        let organization = facts.organization(named.as_deref());
        let mut properties = Properties::with_room(8 * self.text.len(), 8 * self.ends.len());
        self.read(|property, is_new| {
            if !is_new || property.rule.is_none() && properties.get(property.name).is_some() {
                return Err(BadItem::Twice);
            }
            properties.append(property.name, |out| property.write(facts, host.as_deref(), &organization, out))
        })?;
        Ok(properties)
    }

    /// Takes the items apart. What is passed on says whether the letter, if there is one, is the first of its kind.
    fn read<'a>(&'a self, mut property: impl FnMut(Property<'a>, bool) -> Result<(), BadItem>) -> Result<(), BadItem> {
        let mut seen = 0_u32;
        let mut items = self.iter();
        while let Some(item) = items.next() {
            let derived = item.bytes().take_while(u8::is_ascii_uppercase).count();
            let (letters, rest) = item.split_at_checked(derived).ok_or(BadItem::Form)?;
            let mut letter = |letter: u8, form: Form<'a>| {
                let at = letter.wrapping_sub(b'a');
                let (name, rule) = DICTIONARY.get(usize::from(at)).ok_or(BadItem::Letter)?;
                let bit = 1 << at;
                let is_new = seen & bit == 0;
                seen |= bit;
                property(Property { name, rule: Some(*rule), form }, is_new)
            };
            for upper in letters.bytes() {
                letter(upper.to_ascii_lowercase(), Form::Derived)?;
            }
            let mut rest_bytes = rest.bytes();
            match (rest_bytes.next(), rest_bytes.next()) {
                (None, _) if letters.is_empty() => return Err(BadItem::Form),
                (None, _) => {}
                (Some(b'='), _) => {
                    let name = rest.get(1..).ok_or(BadItem::Form)?;
                    if letter_of(name).is_some() {
                        return Err(BadItem::Letter);
                    }
                    let value = items.next().ok_or(BadItem::Form)?;
                    property(Property { name, rule: None, form: Form::Text(value) }, true)?;
                }
                (Some(b'+'), Some(of)) => letter(of, Form::Stem(rest.get(2..).ok_or(BadItem::Form)?))?,
                (Some(b'#'), Some(of)) => letter(of, Form::Uuid(rest.get(2..).ok_or(BadItem::Form)?))?,
                (Some(of), _) => letter(of, Form::Text(rest.get(1..).ok_or(BadItem::Form)?))?,
            }
        }
        Ok(())
    }
}

/// What is wrong with the items of a token that was minted elsewhere, or later.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BadItem {
    Form,
    Letter,
    Twice,
    /// A letter whose value does not follow, or not in this form.
    Value,
}

impl fmt::Display for BadItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "an item of no known form",
            Self::Letter => "an unknown letter, or a name that has one",
            Self::Twice => "duplicate property",
            Self::Value => "a property without the value that it refers to",
        })
    }
}

struct Property<'a> {
    name: &'a str,
    /// `None` for a property without a letter.
    rule: Option<Rule>,
    form: Form<'a>,
}

enum Form<'a> {
    Derived,
    Text(&'a str),
    Stem(&'a str),
    Uuid(&'a str),
}

impl Property<'_> {
    fn write(
        &self,
        facts: &Facts<'_>,
        host: Option<&str>,
        organization: &str,
        out: &mut String,
    ) -> Result<(), BadItem> {
        let rule = self.rule.unwrap_or(Rule::None);
        match self.form {
            Form::Text(text) => out.push_str(text),
            Form::Derived => _ = facts.derive(rule, host, organization, out).ok_or(BadItem::Value)?,
            Form::Stem(text) => {
                let start = out.len();
                let stem = facts.derive(rule, host, organization, out).filter(|stem| *stem > 0);
                out.truncate(start + stem.ok_or(BadItem::Value)?);
                out.push_str(text);
            }
            Form::Uuid(text) => {
                let (uuid, rest) = text.split_at_checked(22).ok_or(BadItem::Form)?;
                let uuid = u128::from_be_bytes(decode_array(uuid.as_bytes()).map_err(|_| BadItem::Form)?);
                let digits = format!("{uuid:032x}");
                for (at, digit) in digits.chars().enumerate() {
                    if HYPHENS.contains(&at) {
                        out.push('-');
                    }
                    out.push(digit);
                }
                out.push_str(rest);
            }
        }
        Ok(())
    }
}

/// Before which of its 32 digits a UUID has a hyphen.
const HYPHENS: [usize; 4] = [8, 12, 16, 20];

/// The UUID that a value begins with, exactly as it would be written again, and the rest.
fn uuid(value: &str) -> Option<(u128, &str)> {
    let (text, rest) = value.split_at_checked(36)?;
    let (mut number, mut digits) = (0_u128, 0);
    let mut bytes = text.bytes();
    while let Some(mut byte) = bytes.next() {
        if HYPHENS.contains(&digits) {
            if byte != b'-' {
                return None;
            }
            byte = bytes.next()?;
        }
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        number = number << 4 | u128::from(digit);
        digits += 1;
    }
    (digits == 32).then_some((number, rest))
}

fn letter_of(name: &str) -> Option<(char, Rule)> {
    let (letter, (_, rule)) = ('a'..='z').zip(&DICTIONARY).find(|(_, (known, _))| *known == name)?;
    Some((letter, *rule))
}

impl Serialize for Items {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut array = to.serialize_seq(None)?;
        array.serialize_element(&VERSION)?;
        for item in self.iter() {
            array.serialize_element(item)?;
        }
        array.end()
    }
}

impl<'de> Deserialize<'de> for Wire {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Wire;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of a version and items, or an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Wire, A::Error> {
                Properties::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Wire::Plain)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Wire, A::Error> {
                if array.next_element()? != Some(VERSION) {
                    return Err(A::Error::custom("properties of an unknown version"));
                }
                let mut items = Items::default();
                while array.next_element_seed(Append(&mut items.text))?.is_some() {
                    items.close();
                }
                Ok(Wire::Items(items))
            }
        }
        from.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests;
