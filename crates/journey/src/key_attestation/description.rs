//! The key description: what the hardware says of the key and of the system that was started (ASN.1, "Key attestation
//! extension data schema" of Android's documentation). Its names are those of the schema.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::asn1::AnyRef;
use der::{Class, Decode as _, Reader as _, SliceReader, Tag, Tagged as _};
use serde_json::{Map, Value, json};

/// More than the lists have.
const MAX_ENTRIES: usize = 128;

/// What stands in the lists of authorizations, by its number. Others are shown by their number.
const NAMES: [(u32, &str); 49] = [
    (1, "purpose"),
    (2, "algorithm"),
    (3, "keySize"),
    (4, "blockMode"),
    (5, "digest"),
    (6, "padding"),
    (7, "callerNonce"),
    (8, "minMacLength"),
    (10, "ecCurve"),
    (200, "rsaPublicExponent"),
    (203, "mgfDigest"),
    (303, "rollbackResistance"),
    (305, "earlyBootOnly"),
    (400, "activeDateTime"),
    (401, "originationExpireDateTime"),
    (402, "usageExpireDateTime"),
    (405, "usageCountLimit"),
    (502, "userSecureId"),
    (503, "noAuthRequired"),
    (504, "userAuthType"),
    (505, "authTimeout"),
    (506, "allowWhileOnBody"),
    (507, "trustedUserPresenceRequired"),
    (508, "trustedConfirmationRequired"),
    (509, "unlockedDeviceRequired"),
    (600, "allApplications"),
    (601, "applicationId"),
    (701, "creationDateTime"),
    (702, "origin"),
    (703, "rollbackResistant"),
    (704, "rootOfTrust"),
    (705, "osVersion"),
    (706, "osPatchLevel"),
    (709, "attestationApplicationId"),
    (710, "attestationIdBrand"),
    (711, "attestationIdDevice"),
    (712, "attestationIdProduct"),
    (713, "attestationIdSerial"),
    (714, "attestationIdImei"),
    (715, "attestationIdMeid"),
    (716, "attestationIdManufacturer"),
    (717, "attestationIdModel"),
    (718, "vendorPatchLevel"),
    (719, "bootPatchLevel"),
    (720, "deviceUniqueAttestation"),
    (721, "identityCredentialKey"),
    (723, "attestationIdSecondImei"),
    (724, "moduleHash"),
    (725, "reserved"),
];
const ROOT_OF_TRUST: u32 = 704;
const APPLICATION: u32 = 709;

/// `TrustedEnvironment`; the one above is `StrongBox`, the one below `Software`.
const TRUSTED_ENVIRONMENT: i64 = 1;
const STRONG_BOX: i64 = 2;
/// Of `origin`: it was made there.
const GENERATED: i64 = 0;

pub(super) struct Description {
    pub(super) challenge: Vec<u8>,
    pub(super) shown: Value,
}

impl Description {
    /// That both the description and the key are of secure hardware, which has made the key itself.
    pub(super) fn is_of_hardware(&self) -> Result<(), String> {
        let number = |pointer: &str| self.shown.pointer(pointer).and_then(Value::as_i64);
        let attested = number("/attestationSecurityLevel");
        if !attested.is_some_and(|level| (TRUSTED_ENVIRONMENT..=STRONG_BOX).contains(&level))
            || number("/keyMintSecurityLevel") != attested
        {
            return Err("the key is not kept by secure hardware".to_owned());
        }
        match number("/hardwareEnforced/origin") {
            Some(GENERATED) => Ok(()),
            _ => Err("the key was not made by the hardware".to_owned()),
        }
    }
}

pub(super) fn read(bytes: &[u8]) -> Result<Description, String> {
    parse(bytes).map_err(|error| format!("the key description cannot be read: {error}"))
}

fn parse(bytes: &[u8]) -> der::Result<Description> {
    let entries = list(AnyRef::from_der(bytes)?, Tag::Sequence)?;
    let [version, level, mint_version, mint_level, challenge, unique, software, hardware] = entries.as_slice() else {
        return Err(Tag::Sequence.length_error().into());
    };
    let octets = |any: &AnyRef<'_>| match any.tag() {
        Tag::OctetString => Ok(any.value().to_vec()),
        tag => Err(tag.value_error()),
    };
    let challenge = octets(challenge)?;
    let shown = json!({
        "attestationVersion": integer(*version)?,
        "attestationSecurityLevel": integer(*level)?,
        "keyMintVersion": integer(*mint_version)?,
        "keyMintSecurityLevel": integer(*mint_level)?,
        "attestationChallenge": STANDARD.encode(&challenge),
        "uniqueId": STANDARD.encode(octets(unique)?),
        "softwareEnforced": authorizations(*software)?,
        "hardwareEnforced": authorizations(*hardware)?,
    });
    Ok(Description { challenge, shown })
}

fn list<'a>(any: AnyRef<'a>, tag: Tag) -> der::Result<Vec<AnyRef<'a>>> {
    if any.tag() != tag {
        return Err(any.tag().value_error().into());
    }
    let mut reader = SliceReader::new(any.value())?;
    let mut entries = Vec::new();
    while !reader.is_finished() {
        if entries.len() == MAX_ENTRIES {
            return Err(tag.length_error().into());
        }
        entries.push(AnyRef::decode(&mut reader)?);
    }
    Ok(entries)
}

/// `INTEGER` and `ENUMERATED`.
fn integer(any: AnyRef<'_>) -> der::Result<i64> {
    let bytes = any.value();
    let known = matches!(any.tag(), Tag::Integer | Tag::Enumerated) && matches!(bytes.len(), 1..=8);
    let sign = bytes.first().filter(|_| known).ok_or_else(|| any.tag().value_error())?;
    let filler = if sign & 0x80 == 0 { 0 } else { -1 };
    Ok(bytes.iter().fold(filler, |number, byte| number << 8 | i64::from(*byte)))
}

/// Each entry stands in a tag that says what it is.
fn authorizations(any: AnyRef<'_>) -> der::Result<Map<String, Value>> {
    let mut all = Map::new();
    for entry in list(any, Tag::Sequence)? {
        let tag = entry.tag();
        if tag.class() != Class::ContextSpecific {
            return Err(tag.value_error().into());
        }
        let (number, inner) = (tag.number().0, AnyRef::from_der(entry.value())?);
        let name = NAMES
            .iter()
            .find(|(known, _)| *known == number)
            .map_or_else(|| number.to_string(), |(_, name)| (*name).to_owned());
        let value = match number {
            ROOT_OF_TRUST => root_of_trust(inner)?,
            APPLICATION => application(inner)?,
            _ => shown(inner),
        };
        if all.insert(name, value).is_some() {
            return Err(tag.value_error().into());
        }
    }
    Ok(all)
}

/// Whatever it is.
fn shown(any: AnyRef<'_>) -> Value {
    match any.tag() {
        Tag::Null => json!(true),
        Tag::Boolean => json!(any.value() != [0]),
        Tag::Integer | Tag::Enumerated => {
            integer(any).map_or_else(|_| json!(STANDARD.encode(any.value())), |number| json!(number))
        }
        Tag::Set => list(any, Tag::Set).map_or(Value::Null, |entries| {
            entries.into_iter().map(|entry| integer(entry).map_or(Value::Null, |number| json!(number))).collect()
        }),
        _ => json!(STANDARD.encode(any.value())),
    }
}

fn root_of_trust(any: AnyRef<'_>) -> der::Result<Value> {
    let names = ["verifiedBootKey", "deviceLocked", "verifiedBootState", "verifiedBootHash"];
    Ok(names.iter().zip(list(any, Tag::Sequence)?).map(|(name, entry)| ((*name).to_owned(), shown(entry))).collect())
}

/// An octet string with a sequence in it: the packages that use the key's user id, and the digests of who signed them.
fn application(any: AnyRef<'_>) -> der::Result<Value> {
    let parts = list(AnyRef::from_der(any.value())?, Tag::Sequence)?;
    let [packages, digests] = parts.as_slice() else { return Err(Tag::Sequence.length_error().into()) };
    let mut infos = Vec::new();
    for info in list(*packages, Tag::Set)? {
        let info = list(info, Tag::Sequence)?;
        let [name, version] = info.as_slice() else { return Err(Tag::Sequence.length_error().into()) };
        infos.push(json!({"packageName": String::from_utf8_lossy(name.value()), "version": integer(*version)?}));
    }
    let digests: Vec<String> =
        list(*digests, Tag::Set)?.into_iter().map(|digest| STANDARD.encode(digest.value())).collect();
    Ok(json!({"packageInfos": infos, "signatureDigests": digests}))
}
