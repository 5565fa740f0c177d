//! `authIndexType=composite_advice`: what a policy said that a session lacks, as AM's clients carry it here.
//!
//! `<Advices><AttributeValuePair><Attribute name="AuthenticateToTreeConditionAdvice"/><Value>Login</Value>…`

/// Longest text that is read, in bytes.
const MAX_LENGTH: usize = 8 * 1024;

/// What is to be done about an advice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Advice {
    /// The journey of this name is to be gone through.
    Tree(String),
    /// The realm's default journey.
    Realm(String),
}

/// The advices that name a journey, in their order; `None` when the text is none of theirs. Others say what a session
/// must have, not how to get there: levels and modules name no journey, transactions are not known here.
pub(super) fn parse(text: &str) -> Option<Vec<Advice>> {
    if text.len() > MAX_LENGTH {
        return None;
    }
    let document = roxmltree::Document::parse(text).ok()?;
    let root = document.root_element();
    if !root.has_tag_name("Advices") {
        return None;
    }
    let pairs = root.children().filter(|node| node.has_tag_name("AttributeValuePair"));
    let advices = pairs.flat_map(|pair| {
        let child = |name: &'static str| pair.children().filter(move |node| node.has_tag_name(name));
        let attribute = child("Attribute").find_map(|node| node.attribute("name")).unwrap_or_default();
        let values = child("Value").filter_map(|node| node.text()).map(str::trim).filter(|value| !value.is_empty());
        values.filter_map(|value| advice(attribute, value)).collect::<Vec<_>>()
    });
    Some(advices.collect())
}

fn advice(attribute: &str, value: &str) -> Option<Advice> {
    match attribute {
        // With the realm in front or not: `/alpha:Login`.
        "AuthenticateToTreeConditionAdvice" | "AuthenticateToServiceConditionAdvice" => {
            let name = value.strip_prefix('/').and_then(|value| value.split_once(':')).map_or(value, |(_, name)| name);
            Some(Advice::Tree(name.to_owned()))
        }
        "AuthenticateToRealmConditionAdvice" => Some(Advice::Realm(value.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(attribute: &str, values: &[&str]) -> String {
        let values: String = values.iter().map(|value| format!("<Value>{value}</Value>")).collect();
        format!("<AttributeValuePair>\n<Attribute name=\"{attribute}\"/>{values}</AttributeValuePair>")
    }

    fn of(pairs: &[String]) -> Option<Vec<Advice>> {
        parse(&format!("<Advices>{}</Advices>", pairs.concat()))
    }

    #[test]
    fn advices_name_journeys() {
        let tree = |name: &str| Advice::Tree(name.to_owned());
        assert_eq!(of(&[pair("AuthenticateToTreeConditionAdvice", &["Login"])]), Some(vec![tree("Login")]));
        let both = ["/alpha:A &amp; B", " Other "];
        assert_eq!(
            of(&[pair("AuthenticateToServiceConditionAdvice", &both)]),
            Some(vec![tree("A & B"), tree("Other")])
        );
        assert_eq!(
            of(&[pair("AuthLevelConditionAdvice", &["5"]), pair("AuthenticateToRealmConditionAdvice", &["/alpha"])]),
            Some(vec![Advice::Realm("/alpha".to_owned())])
        );
        assert_eq!(of(&[pair("TransactionConditionAdvice", &["x"])]), Some(vec![]));
    }

    #[test]
    fn what_is_no_advice_is_refused() {
        let entities = "<!DOCTYPE a [<!ENTITY x \"xxxxxxxxxx\"><!ENTITY y \"&x;&x;\">]><Advices>&y;</Advices>";
        let long = format!("<Advices>{}</Advices>", " ".repeat(MAX_LENGTH));
        for text in ["", "Login", "<a/>", "<Advices>", entities, &long] {
            assert_eq!(parse(text), None, "{text:.40}");
        }
    }
}
