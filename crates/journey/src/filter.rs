//! CREST query filters, as far as nodes use them: `!(/preferences pr) or /preferences/updates eq false`.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use crate::state::at;

/// Longest filter and deepest nesting that is read.
const MAX_LENGTH: usize = 4096;
const MAX_DEPTH: usize = 32;

#[derive(Clone, PartialEq, Debug)]
pub enum Filter {
    Literal(bool),
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
    Present(String),
    Compare(String, Operator, Value),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operator {
    Equal,
    Contains,
    StartsWith,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Filter {
    /// `None` when it is not a filter.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_LENGTH {
            return None;
        }
        let mut parser = Parser { tokens: tokens(text)?, position: 0 };
        let filter = parser.or(0)?;
        (parser.position == parser.tokens.len()).then_some(filter)
    }

    /// An attribute and the text that it must be equal to in every match, if the filter says so.
    pub fn sought(&self) -> Option<(&str, &str)> {
        match self {
            Self::Compare(path, Operator::Equal, Value::String(text)) => Some((path.trim_start_matches('/'), text)),
            Self::And(filters) => filters.iter().find_map(Self::sought),
            _ => None,
        }
    }

    pub fn matches(&self, object: &Map<String, Value>) -> bool {
        match self {
            Self::Literal(value) => *value,
            Self::Not(filter) => !filter.matches(object),
            Self::And(filters) => filters.iter().all(|filter| filter.matches(object)),
            Self::Or(filters) => filters.iter().any(|filter| filter.matches(object)),
            Self::Present(path) => at(object, path).is_some_and(|value| !value.is_null()),
            Self::Compare(path, operator, literal) => match at(object, path) {
                // A list matches when one of its members does.
                Some(Value::Array(list)) => list.iter().any(|value| operator.holds(value, literal)),
                Some(value) => operator.holds(value, literal),
                None => false,
            },
        }
    }
}

impl Operator {
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "eq" => Self::Equal,
            "co" => Self::Contains,
            "sw" => Self::StartsWith,
            "lt" => Self::Less,
            "le" => Self::LessOrEqual,
            "gt" => Self::Greater,
            "ge" => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    /// Texts are compared without regard to case, as CREST does. Values of different types do not compare.
    fn holds(self, value: &Value, literal: &Value) -> bool {
        let order = match (value, literal) {
            (Value::String(value), Value::String(literal)) => {
                let (value, literal) = (value.to_lowercase(), literal.to_lowercase());
                match self {
                    Self::Contains => return value.contains(&literal),
                    Self::StartsWith => return value.starts_with(&literal),
                    _ => Some(value.cmp(&literal)),
                }
            }
            (Value::Number(value), Value::Number(literal)) => match (value.as_f64(), literal.as_f64()) {
                (Some(value), Some(literal)) => value.partial_cmp(&literal),
                _ => None,
            },
            (Value::Bool(value), Value::Bool(literal)) => Some(value.cmp(literal)),
            _ => None,
        };
        match self {
            Self::Equal => order == Some(Ordering::Equal),
            Self::Less => order == Some(Ordering::Less),
            Self::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Self::Greater => order == Some(Ordering::Greater),
            Self::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
            Self::Contains | Self::StartsWith => false,
        }
    }
}

#[derive(Clone, PartialEq, Debug)]
enum Token {
    Open,
    Close,
    Not,
    Word(String),
    Literal(Value),
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            letter if letter.is_whitespace() => {}
            '(' => tokens.push(Token::Open),
            ')' => tokens.push(Token::Close),
            '!' => tokens.push(Token::Not),
            '"' | '\'' => {
                let mut literal = String::new();
                loop {
                    match letters.next()? {
                        end if end == letter => break,
                        '\\' => literal.push(letters.next()?),
                        other => literal.push(other),
                    }
                }
                tokens.push(Token::Literal(Value::String(literal)));
            }
            first => {
                let mut word = String::from(first);
                while let Some(letter) = letters.next_if(|letter| !letter.is_whitespace() && !"()!".contains(*letter)) {
                    word.push(letter);
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Some(tokens)
}

struct Parser {
    tokens: Vec<Token>,
    position: usize,
}

impl Parser {
    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.position).cloned();
        self.position += 1;
        token
    }

    fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.tokens.get(self.position), Some(Token::Word(known)) if known == word);
        if found {
            self.position += 1;
        }
        found
    }

    fn or(&mut self, depth: usize) -> Option<Filter> {
        let first = self.and(depth)?;
        let mut filters = vec![first];
        while self.word("or") {
            filters.push(self.and(depth)?);
        }
        Some(if filters.len() == 1 { filters.remove(0) } else { Filter::Or(filters) })
    }

    fn and(&mut self, depth: usize) -> Option<Filter> {
        let first = self.unary(depth)?;
        let mut filters = vec![first];
        while self.word("and") {
            filters.push(self.unary(depth)?);
        }
        Some(if filters.len() == 1 { filters.remove(0) } else { Filter::And(filters) })
    }

    fn unary(&mut self, depth: usize) -> Option<Filter> {
        if depth > MAX_DEPTH {
            return None;
        }
        match self.next()? {
            Token::Not => Some(Filter::Not(Box::new(self.unary(depth + 1)?))),
            Token::Open => {
                let filter = self.or(depth + 1)?;
                (self.next()? == Token::Close).then_some(filter)
            }
            Token::Word(word) if word == "true" => Some(Filter::Literal(true)),
            Token::Word(word) if word == "false" => Some(Filter::Literal(false)),
            Token::Word(path) => {
                let Token::Word(operator) = self.next()? else { return None };
                if operator == "pr" {
                    return Some(Filter::Present(path));
                }
                let operator = Operator::of(&operator)?;
                let literal = match self.next()? {
                    Token::Literal(value) => value,
                    Token::Word(word) => match serde_json::from_str(&word).ok()? {
                        value @ (Value::Bool(_) | Value::Number(_)) => value,
                        _ => return None,
                    },
                    _ => return None,
                };
                Some(Filter::Compare(path, operator, literal))
            }
            Token::Close | Token::Literal(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Filter;

    #[test]
    fn filters_of_real_journeys_and_each_operator() {
        let object =
            json!({"a": "Hello", "n": 3, "list": ["x", "y"], "preferences": {"updates": true, "marketing": false}});
        let object = object.as_object().unwrap();
        for (text, expected) in [
            ("!(/preferences pr) or /preferences/marketing eq false or /preferences/updates eq false", true),
            ("/preferences/marketing eq true", false),
            ("/a eq \"hello\"", true),
            ("a co 'ell' and a sw \"he\"", true),
            ("n lt 4 and n le 3 and n gt 2 and n ge 3", true),
            ("n gt 3", false),
            ("list eq \"y\"", true),
            ("!(a pr)", false),
            ("missing eq \"x\"", false),
            ("(true and !false) or false", true),
        ] {
            assert_eq!(Filter::parse(text).unwrap().matches(object), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_filter_is_refused() {
        let deep = "(".repeat(5000);
        for text in ["", "a", "a eq", "a xx 1", "(a pr", "a pr)", "a eq \"x", "a eq b", "and", &deep, &deep[..100]] {
            assert_eq!(Filter::parse(text), None, "{text}");
        }
    }
}
