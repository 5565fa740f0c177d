//! Profile scripts of identity providers. Those that AM comes with, in Groovy and in JavaScript, and nearly all that
//! are made from them, only put members of one profile under other names. They are read as what they are, a list of
//! names, and need no sandbox; a script that does anything else is not read at all, and the validation says so.

use serde_json::{Map, Value};

use crate::library::{Library, Script};

/// Longest script that is looked at.
const MAX_SOURCE: usize = 64 * 1024;

#[derive(Clone, Default, PartialEq, Debug)]
pub(crate) struct Mapping {
    fields: Vec<Field>,
    /// AM's script for managed users leaves this in shared state: whether neither name is known.
    pub(crate) names_flag: bool,
}

#[derive(Clone, PartialEq, Debug)]
struct Field {
    name: String,
    /// Joined: nearly always one path.
    parts: Vec<Part>,
}

#[derive(Clone, PartialEq, Debug)]
enum Part {
    Path(Vec<String>),
    Text(String),
}

/// AM's own scripts, which exports leave out: id, and which member goes where.
const BUILT_IN: &[(&str, &[(&str, &str)])] = &[
    (
        // Normalized Profile to Managed User
        "58c824ae-84ed-4724-82cd-db128fc3f6c",
        &[
            ("givenName", "givenName"),
            ("sn", "familyName"),
            ("mail", "email"),
            ("userName", "username"),
            ("postalAddress", "postalAddress"),
            ("city", "addressLocality"),
            ("stateProvince", "addressRegion"),
            ("postalCode", "postalCode"),
            ("country", "country"),
            ("telephoneNumber", "phone"),
        ],
    ),
    (
        // Google Profile Normalization
        "58d29080-4563-480b-89bb-1e7719776a21",
        &[
            ("id", "sub"),
            ("displayName", "name"),
            ("givenName", "given_name"),
            ("familyName", "family_name"),
            ("photoUrl", "picture"),
            ("email", "email"),
            ("username", "email"),
            ("locale", "locale"),
        ],
    ),
    (
        // Facebook Profile Normalization
        "bae1d54a-e97d-4997-aa5d-c027f21af82c",
        &[
            ("id", "id"),
            ("displayName", "name"),
            ("givenName", "first_name"),
            ("familyName", "last_name"),
            ("photoUrl", "picture.data.url"),
            ("email", "email"),
            ("username", "email"),
        ],
    ),
    (
        // Microsoft Profile Normalization
        "73cecbfc-dad0-4395-be6a-6858ee3a80e5",
        &[
            ("id", "id"),
            ("displayName", "displayName"),
            ("givenName", "givenName"),
            ("familyName", "surname"),
            ("email", "userPrincipalName"),
            ("username", "userPrincipalName"),
        ],
    ),
];

/// Why a profile script cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoMapping {
    Missing,
    /// It does more than to map names.
    Other,
}

/// The mapping of this script in the library, or AM's own of this id.
pub(crate) fn find(library: &Library, id: &str) -> Result<Mapping, NoMapping> {
    if let Some(script) = library.script(id) {
        return Mapping::read(script).ok_or(NoMapping::Other);
    }
    let built_in = BUILT_IN.iter().find(|(known, _)| *known == id).ok_or(NoMapping::Missing)?;
    let field = |(name, path): &(&str, &str)| {
        let path = path.split('.').map(str::to_owned).collect();
        Field { name: (*name).to_owned(), parts: vec![Part::Path(path)] }
    };
    Ok(Mapping { fields: built_in.1.iter().map(field).collect(), names_flag: false })
}

impl Mapping {
    pub(crate) fn read(script: &Script) -> Option<Self> {
        if script.source.len() > MAX_SOURCE {
            return None;
        }
        let tokens = tokens(&script.source)?;
        let mut reader = Reader { tokens: &tokens, mapping: Self::default() };
        reader.script()?;
        Some(reader.mapping).filter(|mapping| !mapping.fields.is_empty())
    }

    /// The members that the profile has a value for.
    pub(crate) fn apply(&self, profile: &Map<String, Value>) -> Map<String, Value> {
        let mut out = Map::new();
        for field in &self.fields {
            if let Some(value) = field.value(profile) {
                out.insert(field.name.clone(), value);
            }
        }
        out
    }
}

impl Field {
    fn value(&self, profile: &Map<String, Value>) -> Option<Value> {
        let at = |path: &[String]| {
            let (first, rest) = path.split_first()?;
            let mut value = profile.get(first)?;
            for name in rest {
                value = value.get(name)?;
            }
            (!value.is_null()).then(|| value.clone())
        };
        if let [Part::Path(path)] = self.parts.as_slice() {
            return at(path);
        }
        let mut joined = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => joined.push_str(text),
                Part::Path(path) => joined.push_str(at(path)?.as_str()?),
            }
        }
        Some(Value::String(joined))
    }
}

#[derive(Clone, PartialEq, Debug)]
enum Token {
    Word(String),
    Text(String),
    Sign(char),
}

/// Words, texts and signs; comments and imports are left out.
fn tokens(source: &str) -> Option<Vec<Token>> {
    let source: String =
        source.lines().filter(|line| !line.trim_start().starts_with("import ")).collect::<Vec<_>>().join("\n");
    let mut tokens = Vec::new();
    let mut rest = source.as_str();
    while let Some(first) = rest.chars().next() {
        let take = if first.is_whitespace() {
            first.len_utf8()
        } else if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/")? + 2
        } else if matches!(first, '"' | '\'') {
            let length = rest[1..].find(first)?;
            let text = &rest[1..=length];
            // Escapes and interpolation are more than a name.
            if text.contains(['\\', '$', '\n']) {
                return None;
            }
            tokens.push(Token::Text(text.to_owned()));
            length + 2
        } else if first.is_ascii_alphanumeric() || first == '_' {
            let length = rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
            let length = length.unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..length].to_owned()));
            length
        } else {
            tokens.push(Token::Sign(first));
            first.len_utf8()
        };
        rest = rest.get(take..)?;
    }
    Some(tokens)
}

struct Reader<'a> {
    tokens: &'a [Token],
    mapping: Mapping,
}

impl Reader<'_> {
    fn word(&self, offset: usize) -> Option<&str> {
        match self.tokens.get(offset) {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn sign(&mut self, sign: char) -> Option<()> {
        let (first, rest) = self.tokens.split_first()?;
        (*first == Token::Sign(sign)).then(|| self.tokens = rest)
    }

    fn text(&mut self) -> Option<String> {
        let (Token::Text(text), rest) = self.tokens.split_first()? else { return None };
        self.tokens = rest;
        Some(text.clone())
    }

    /// These tokens, written with blanks between them; `_` stands for any word.
    fn exactly(&mut self, pattern: &str) -> Option<()> {
        let mut rest = self.tokens;
        for wanted in pattern.split(' ') {
            let (first, after) = rest.split_first()?;
            let same = match first {
                Token::Word(word) => wanted == "_" || word == wanted,
                Token::Sign(sign) => wanted.chars().eq([*sign]),
                Token::Text(_) => false,
            };
            if !same {
                return None;
            }
            rest = after;
        }
        self.tokens = rest;
        Some(())
    }

    /// One of several ways to write the same.
    fn any(&mut self, patterns: &[&str]) -> Option<()> {
        patterns.iter().find_map(|pattern| self.exactly(pattern))
    }

    fn script(&mut self) -> Option<()> {
        while !self.tokens.is_empty() {
            self.statement()?;
        }
        Some(())
    }

    fn statement(&mut self) -> Option<()> {
        const WRAPPINGS: &[&str] = &[
            ";",
            "( function ( ) {",
            "} ( ) ) ;",
            "} ( ) )",
            "} ) ( ) ;",
            "var _ = JavaImporter ( org . forgerock . json . JsonValue ) ;",
            "var _ = _ . JsonValue . json ( _ . JsonValue . object ( ) ) ;",
            "var _ = JsonValue . json ( JsonValue . object ( ) ) ;",
            "return _ ;",
        ];
        if self.any(WRAPPINGS).is_some() {
            return Some(());
        }
        match self.word(0)? {
            "logger" => self.log(),
            "sharedState" => {
                self.exactly("sharedState . put (")?;
                (self.text()? == "nameEmptyOrNull").then_some(())?;
                self.exactly(", noGivenName & & noFamilyName )")?;
                self.mapping.names_flag = true;
                Some(())
            }
            // The two lines before it, as AM has them.
            "boolean" => {
                let pattern = |variable: &str, name: &str| {
                    format!(
                        "boolean {variable} = normalizedProfile . {name} . isNull ( ) | | \
                         ( ! normalizedProfile . {name} . asString ( ) ? . trim ( ) )"
                    )
                };
                let (given, family) = (pattern("noGivenName", "givenName"), pattern("noFamilyName", "familyName"));
                self.any(&[&given, &family])
            }
            "return" => {
                if self.any(&["return json ( object (", "return frJava . JsonValue . json ("]).is_some() {
                    return self.fields();
                }
                self.exactly("return _")
            }
            "JsonValue" => {
                self.exactly("JsonValue _ = json ( object (")?;
                self.fields()
            }
            "if" => {
                self.exactly("if (")?;
                let condition = self.path()?;
                // `path` has eaten the call, which says nothing that a missing member does not.
                self.sign(')')?;
                let braces = self.sign('{').is_some();
                let name = self.put()?;
                if braces {
                    self.sign(';');
                    self.sign('}')?;
                }
                (name.parts == [Part::Path(condition)]).then(|| self.mapping.fields.push(name))
            }
            _ => {
                let field = self.put()?;
                self.mapping.fields.push(field);
                Some(())
            }
        }
    }

    /// A message for the log, which calls nothing: to its closing bracket.
    fn log(&mut self) -> Option<()> {
        self.exactly("logger . _ (")?;
        loop {
            let (first, rest) = self.tokens.split_first()?;
            self.tokens = rest;
            match first {
                Token::Sign(')') => return Some(()),
                Token::Sign('(' | '=' | ';') => return None,
                _ => {}
            }
        }
    }

    /// `field("name", path), …))`.
    fn fields(&mut self) -> Option<()> {
        loop {
            self.exactly("field (")?;
            let name = self.text()?;
            self.sign(',')?;
            let parts = self.parts()?;
            self.sign(')')?;
            self.mapping.fields.push(Field { name, parts });
            if self.sign(',').is_none() {
                return self.exactly(") )");
            }
        }
    }

    /// `profile.put("name", path)`.
    fn put(&mut self) -> Option<Field> {
        self.exactly("_ . put (")?;
        let name = self.text()?;
        self.sign(',')?;
        let parts = self.parts()?;
        self.sign(')')?;
        Some(Field { name, parts })
    }

    fn parts(&mut self) -> Option<Vec<Part>> {
        let mut parts = Vec::new();
        loop {
            parts.push(match self.text() {
                Some(text) => Part::Text(text),
                None => Part::Path(self.path()?),
            });
            if self.sign('+').is_none() {
                return Some(parts);
            }
        }
    }

    /// `rawProfile.a.b`, `rawProfile.get('a').asString()`.
    fn path(&mut self) -> Option<Vec<String>> {
        self.any(&["rawProfile", "normalizedProfile"])?;
        let mut path = Vec::new();
        while self.sign('.').is_some() {
            let word = self.word(0)?.to_owned();
            self.exactly("_")?;
            if self.sign('(').is_none() {
                path.push(word);
                continue;
            }
            match word.as_str() {
                "get" => path.push(self.text()?),
                "asString" | "isNotNull" => {}
                _ => return None,
            }
            self.sign(')')?;
        }
        (!path.is_empty()).then_some(path)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::library::Language;

    fn read(source: &str) -> Option<Mapping> {
        let language = Language::Groovy;
        let (id, name) = ("s".to_owned(), "s".to_owned());
        Mapping::read(&Script { id, name, language, next_generation: false, source: source.to_owned() })
    }

    fn apply(source: &str, profile: Value) -> Value {
        Value::Object(read(source).expect("a mapping").apply(profile.as_object().unwrap()))
    }

    #[test]
    fn both_languages_say_the_same() {
        let groovy = "/* c */\nimport static a.b.field\nlogger.warning(\"p: \"+rawProfile)\n\nreturn json(object(\n \
                      field(\"id\", rawProfile.sub), field(\"photo\", rawProfile.picture.data.url)))";
        let script = "(function () {\n var frJava = JavaImporter(\n org.forgerock.json.JsonValue\n );\n \
                      var out = frJava.JsonValue.json(frJava.JsonValue.object());\n // c\n \
                      out.put('id', rawProfile.get('sub').asString());\n \
                      out.put('photo', rawProfile.get('picture').get('data').get('url').asString());\n \
                      return out;\n}());";
        let profile = json!({"sub": "1", "picture": {"data": {"url": "u"}}, "more": 1});
        assert_eq!(apply(groovy, profile.clone()), json!({"id": "1", "photo": "u"}));
        assert_eq!(apply(script, profile), json!({"id": "1", "photo": "u"}));
        assert_eq!(apply(groovy, json!({"sub": null, "picture": 3})), json!({}));
    }

    #[test]
    fn texts_are_joined_and_conditions_are_about_what_is_put() {
        let joined = "x.put('displayName', rawProfile.a + ' ' + rawProfile.b)";
        assert_eq!(apply(joined, json!({"a": "A", "b": "B"})), json!({"displayName": "A B"}));
        assert_eq!(apply(joined, json!({"a": "A"})), json!({}));
        let condition = "JsonValue m = json(object(field(\"sn\", normalizedProfile.familyName)))\n\
                         if (normalizedProfile.phone.isNotNull()) m.put(\"tel\", normalizedProfile.phone)\n\
                         boolean noGivenName = normalizedProfile.givenName.isNull() || \
                         (!normalizedProfile.givenName.asString()?.trim())\n\
                         boolean noFamilyName = normalizedProfile.familyName.isNull() || \
                         (!normalizedProfile.familyName.asString()?.trim())\n\
                         sharedState.put(\"nameEmptyOrNull\", noGivenName && noFamilyName)\nreturn m\n";
        assert_eq!(apply(condition, json!({"phone": "1"})), json!({"tel": "1"}));
        assert!(read(condition).unwrap().names_flag);
    }

    #[test]
    fn what_does_more_is_not_read() {
        for source in [
            "",
            "return x",
            "x.put('a', rawProfile.b.toLowerCase())",
            "x.put('a', other.b)",
            "x.put('a', 'b' + call())",
            "if (rawProfile.a.isNotNull()) x.put('b', rawProfile.c)",
            "sharedState.put('role', 'admin')",
            "x.put(\"a$b\", rawProfile.c)",
            "logger.warning('x'",
            "x.put('a', rawProfile.b); httpClient.send(x)",
            "/* never closed",
        ] {
            assert_eq!(read(source), None, "{source}");
        }
    }
}
