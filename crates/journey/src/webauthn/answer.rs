use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// The text in the hidden value, taken apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// The browser cannot do it.
    Unsupported,
    /// The browser refused: a DOM exception.
    Error(String),
    Data(Data),
    /// Not in the form of any client.
    Malformed,
}

/// What both ceremonies have: the client data as it was hashed, and the parts after it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Data {
    pub(crate) client_data: String,
    parts: Vec<String>,
}

const MAX_PARTS: usize = 5;

impl Outcome {
    pub(crate) fn read(text: &str) -> Self {
        if text == "unsupported" {
            return Self::Unsupported;
        }
        if let Some(error) = text.strip_prefix("ERROR::") {
            return Self::Error(error.to_owned());
        }
        // Client data is JSON, and newer clients have JSON around the whole: in both cases one object comes first.
        let mut objects = serde_json::Deserializer::from_str(text).into_iter::<Value>();
        let Some(Ok(Value::Object(object))) = objects.next() else { return Self::Malformed };
        let (client_data, rest) = text.split_at(objects.byte_offset());
        if rest.trim().is_empty() {
            let part = |name: &str| object.get(name).and_then(Value::as_str);
            return match (part("error"), part("legacyData")) {
                // One level: what is inside begins with the client data or an error.
                (None, Some(inner)) if !inner.contains("legacyData") => Self::read(inner),
                (Some("unsupported"), _) => Self::Unsupported,
                (Some(error), _) => Self::Error(error.strip_prefix("ERROR::").unwrap_or(error).to_owned()),
                _ => Self::Malformed,
            };
        }
        let Some(rest) = rest.strip_prefix("::") else { return Self::Malformed };
        let parts = rest.splitn(MAX_PARTS, "::").map(str::to_owned).collect();
        Self::Data(Data { client_data: client_data.to_owned(), parts })
    }
}

impl Data {
    /// A part that is a list of bytes, each as a number with or without sign.
    pub(crate) fn bytes(&self, part: usize) -> Option<Vec<u8>> {
        let byte = |text: &str| {
            let number: i16 = text.trim().parse().ok()?;
            u8::try_from(number).ok().or_else(|| i8::try_from(number).ok().map(i8::cast_unsigned))
        };
        self.parts.get(part)?.split(',').map(byte).collect()
    }

    /// A part that is base64url.
    pub(crate) fn id(&self, part: usize) -> Option<Vec<u8>> {
        URL_SAFE_NO_PAD.decode(self.parts.get(part)?.trim_end_matches('=')).ok()
    }

    pub(crate) fn text(&self, part: usize) -> &str {
        self.parts.get(part).map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_that_clients_send() {
        assert_eq!(Outcome::read("unsupported"), Outcome::Unsupported);
        assert_eq!(Outcome::read("ERROR::NotAllowedError:no"), Outcome::Error("NotAllowedError:no".to_owned()));
        assert_eq!(Outcome::read(r#"{"error": "unsupported"}"#), Outcome::Unsupported);
        assert_eq!(Outcome::read(r#"{"error": "ERROR::A:b"}"#), Outcome::Error("A:b".to_owned()));
        let legacy = r#"{"type":"webauthn.get","origin":"https://[::1]"}::1,-1, 127,255::-128::AQI=::handle"#;
        let Outcome::Data(data) = Outcome::read(legacy) else { panic!() };
        assert_eq!(data.client_data, r#"{"type":"webauthn.get","origin":"https://[::1]"}"#);
        assert_eq!((data.bytes(0), data.bytes(1)), (Some(vec![1, 255, 127, 255]), Some(vec![128])));
        assert_eq!((data.id(2), data.text(3), data.text(4)), (Some(vec![1, 2]), "handle", ""));
        let wrapped = serde_json::json!({"legacyData": legacy, "authenticatorAttachment": "platform"}).to_string();
        assert_eq!(Outcome::read(&wrapped), Outcome::Data(data.clone()));
        let twice = serde_json::json!({"legacyData": wrapped}).to_string();
        for bad in ["", "x", "[]", "{}", "{}x", "{\"legacyData\": 1}", "{\"a\":1", twice.as_str()] {
            assert_eq!(Outcome::read(bad), Outcome::Malformed, "{bad}");
        }
        let Outcome::Data(data) = Outcome::read("{}::256::-129::%") else { panic!() };
        assert_eq!((data.bytes(0), data.bytes(1), data.id(2), data.bytes(9)), (None, None, None, None));
    }
}
