use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

/// Longest script that is taken.
pub(crate) const MAX_SCRIPT: usize = 512 * 1024;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The source text of a script's `script` member, which has four encodings: a list of lines, a JSON text inside the
/// text, Base64, plain. `None` when it is none of them, is `[Empty]`, or names a file that is not there.
pub(crate) fn source(body: &Value) -> Option<String> {
    let text = match body {
        Value::Array(lines) => {
            let lines: Option<Vec<&str>> = lines.iter().map(Value::as_str).collect();
            return bounded(lines?.join("\n"));
        }
        Value::String(text) => text,
        _ => return None,
    };
    let trimmed = text.trim();
    if trimmed.is_empty() || trimmed == "[Empty]" || trimmed.starts_with("file://") {
        return None;
    }
    if trimmed.starts_with('"')
        && trimmed.ends_with('"')
        && let Ok(inner) = serde_json::from_str::<String>(trimmed)
    {
        return bounded(inner);
    }
    // A script that is only Base64 letters would be one identifier; none of that length is.
    let packed: String = trimmed.split_whitespace().collect();
    let looks_packed =
        packed.len() >= 16 && packed.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
    if looks_packed && let Some(decoded) = BASE64.decode(&packed).ok().and_then(|bytes| String::from_utf8(bytes).ok()) {
        return bounded(decoded);
    }
    bounded(text.clone())
}

fn bounded(text: String) -> Option<String> {
    (text.len() <= MAX_SCRIPT).then_some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::source;

    #[test]
    fn all_encodings_of_a_script() {
        let plain = "outcome = \"true\";\nlogger.message(\"x\");";
        let packed = "b3V0Y29tZSA9ICJ0cnVlIjsKbG9nZ2VyLm1lc3NhZ2UoIngiKTs=";
        let quoted = serde_json::to_string(plain).unwrap();
        let lines: Vec<&str> = plain.lines().collect();
        for body in [json!(plain), json!(packed), json!(packed.trim_end_matches('=')), json!(quoted), json!(lines)] {
            assert_eq!(source(&body).as_deref(), Some(plain), "{body}");
        }
        for nothing in [json!("[Empty]"), json!(""), json!(null), json!("file://x.js"), json!([1])] {
            assert_eq!(source(&nothing), None, "{nothing}");
        }
    }
}
