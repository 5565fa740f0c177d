//! How AM names people and programs everywhere: as a distinguished name.

/// `id=demo,ou=user,o=alpha,ou=services,ou=am-config`.
pub(crate) fn universal_id(realm: &str, username: &str) -> String {
    named(realm, "user", username)
}

/// `id=reader,ou=agent,o=alpha,ou=services,ou=am-config`.
pub(crate) fn universal_id_of_agent(realm: &str, name: &str) -> String {
    named(realm, "agent", name)
}

fn named(realm: &str, kind: &str, name: &str) -> String {
    let organisations: String =
        realm.split('/').filter(|name| !name.is_empty()).rev().map(|name| format!("o={name},")).collect();
    let services = if organisations.is_empty() { "" } else { "ou=services," };
    format!("id={},ou={kind},{organisations}{services}ou=am-config", escaped(name))
}

/// As the value of an attribute in a distinguished name (RFC 4514 §2.4). `=` need not be escaped, but may be, and not
/// every reader knows the rule. (No realm has a character that needs it.)
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (at, c) in value.chars().enumerate() {
        let special = match c {
            '"' | '+' | ',' | ';' | '<' | '=' | '>' | '\\' => true,
            '#' => at == 0,
            ' ' => at == 0 || at == last,
            _ => false,
        };
        if special {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_universal_id_is_one_distinguished_name_whatever_the_user_is_called() {
        for (name, expected) in [
            ("demo", "demo"),
            ("Anna Bell", "Anna Bell"),
            ("démo", "démo"),
            ("a,ou=admin", "a\\,ou\\=admin"),
            ("a+b\"c\\d<e>f;g", "a\\+b\\\"c\\\\d\\<e\\>f\\;g"),
            ("#a#", "\\#a#"),
            (" a b ", "\\ a b\\ "),
            (" ", "\\ "),
            ("", ""),
        ] {
            let id = universal_id("/alpha", name);
            assert_eq!(id, format!("id={expected},ou=user,o=alpha,ou=services,ou=am-config"));
        }
    }
}
