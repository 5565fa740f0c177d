//! The words of a script.

use std::collections::VecDeque;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Token {
    Name(String),
    Text(String),
    /// A whole number.
    Number(String),
    Sign(&'static str),
}

/// The longer ones first. Those that are not here are not understood.
const SIGNS: [&str; 14] = ["===", "==", "!=", "&&", "||", "=", "!", "(", ")", "{", "}", ".", ",", ";"];

pub(super) struct Tokens {
    /// With whether a line ends before it.
    rest: VecDeque<(Token, bool)>,
}

impl Tokens {
    pub(super) fn read(source: &str) -> Option<Self> {
        let (mut rest, mut text, mut breaks) = (VecDeque::new(), source, true);
        loop {
            let trimmed = text.trim_start_matches([' ', '\t', '\r', '\n']);
            breaks |= text[..text.len() - trimmed.len()].contains('\n');
            text = trimmed;
            let Some(first) = text.chars().next() else { return Some(Self { rest }) };
            if let Some(comment) = text.strip_prefix("//") {
                text = comment.find('\n').map_or("", |at| &comment[at..]);
                continue;
            }
            if let Some(comment) = text.strip_prefix("/*") {
                let (inside, after) = comment.split_once("*/")?;
                breaks |= inside.contains('\n');
                text = after;
                continue;
            }
            let token = if first.is_ascii_alphabetic() || first == '_' {
                let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
                Token::Name(split(&mut text, end))
            } else if first.is_ascii_digit() {
                let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
                let digits = split(&mut text, end);
                // Octal numbers, and those that are no longer whole in JavaScript.
                if digits.len() > 9 || digits.len() > 1 && digits.starts_with('0') || text.starts_with(word) {
                    return None;
                }
                Token::Number(digits)
            } else if first == '"' || first == '\'' {
                Token::Text(string(&mut text, first)?)
            } else {
                let sign = SIGNS.into_iter().find(|sign| text.starts_with(sign)).filter(|sign| *sign != "===")?;
                split(&mut text, sign.len());
                Token::Sign(sign)
            };
            rest.push_back((token, breaks));
            breaks = false;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn next(&mut self) -> Option<Token> {
        self.rest.pop_front().map(|(token, _)| token)
    }

    pub(super) fn name(&mut self) -> Option<String> {
        match self.next()? {
            Token::Name(name) => Some(name),
            _ => None,
        }
    }

    pub(super) fn takes(&mut self, sign: &'static str) -> bool {
        let there = matches!(self.rest.front(), Some((Token::Sign(known), _)) if *known == sign);
        if there {
            self.rest.pop_front();
        }
        there
    }

    /// The same on the same line.
    pub(super) fn takes_here(&mut self, sign: &'static str) -> bool {
        !matches!(self.rest.front(), Some((_, true))) && self.takes(sign)
    }

    pub(super) fn takes_name(&mut self, name: &str) -> bool {
        let there = matches!(self.rest.front(), Some((Token::Name(known), _)) if known == name);
        if there {
            self.rest.pop_front();
        }
        there
    }

    /// Whether what comes stands for itself.
    pub(super) fn is_literal(&self) -> bool {
        match self.rest.front() {
            Some((Token::Text(_) | Token::Number(_), _)) => true,
            Some((Token::Name(name), _)) => ["null", "true", "false"].contains(&name.as_str()),
            _ => false,
        }
    }

    /// The end of a statement: a semicolon, a line, a block, or all of it.
    pub(super) fn ends(&mut self) -> bool {
        if self.takes(";") {
            return true;
        }
        match self.rest.front() {
            None => true,
            // A line that begins so goes on with the one before.
            Some((Token::Sign("." | "," | "=" | "==" | "!=" | "&&" | "||" | "("), _)) => false,
            Some((Token::Sign("}"), _)) => true,
            Some((_, breaks)) => *breaks,
        }
    }
}

fn word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '.' || c == '$'
}

fn split(text: &mut &str, at: usize) -> String {
    let (taken, rest) = text.split_at(at);
    *text = rest;
    taken.to_owned()
}

/// One on a single line, without anything to be put in.
fn string(text: &mut &str, quote: char) -> Option<String> {
    let mut chars = text.char_indices().skip(1);
    let mut value = String::new();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                same @ ('\\' | '\'' | '"' | '$') => same,
                _ => return None,
            }),
            '\n' => return None,
            '$' if quote == '"' => return None,
            c if c == quote => {
                *text = text.get(at + 1..)?;
                // Three quotes begin a text of several lines.
                return (!text.starts_with(quote)).then_some(value);
            }
            c => value.push(c),
        }
    }
    None
}
