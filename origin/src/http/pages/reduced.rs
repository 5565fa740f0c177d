//! Text that operators write as HTML for their own login pages, reduced to text, line breaks and links. Whatever else
//! is in it is shown as the text it contains; nothing of it is ever markup of ours.

use super::LOGIN;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Piece {
    Text(String),
    Link { href: String, text: String },
    Break,
}

/// Most pieces that a text comes to.
const MAX_PIECES: usize = 200;

pub(super) fn reduce(html: &str, realm: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut link: Option<String> = None;
    let mut text = String::new();
    let mut rest = html;
    let flush = |text: &mut String, link: &Option<String>, pieces: &mut Vec<Piece>| {
        let shown = std::mem::take(text);
        if shown.trim().is_empty() {
            // Blanks between two pieces part them; at the beginning they mean nothing.
            if !shown.is_empty() && matches!(pieces.last(), Some(Piece::Text(_) | Piece::Link { .. })) {
                pieces.push(Piece::Text(" ".to_owned()));
            }
            return;
        }
        pieces.push(match link {
            Some(href) => Piece::Link { href: href.clone(), text: shown },
            None => Piece::Text(shown),
        });
    };
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(&decoded(before));
        // What no tag can begin with is text, as in "1 < 2".
        if !after.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!') {
            text.push('<');
            rest = after;
            continue;
        }
        let Some((tag, after)) = after.split_once('>') else {
            rest = "";
            break;
        };
        let end = tag.find(|c: char| c.is_whitespace() || (c == '/' && !tag.starts_with('/'))).unwrap_or(tag.len());
        let (name, attributes) = tag.split_at(end);
        rest = after;
        match name.to_ascii_lowercase().as_str() {
            // Their content is not for people.
            name @ ("script" | "style") => {
                let close = format!("</{name}");
                rest = after.to_ascii_lowercase().find(&close).and_then(|at| after.get(at..)).unwrap_or_default();
            }
            "a" => {
                flush(&mut text, &link, &mut pieces);
                link = attribute(attributes, "href").and_then(|href| target(&decoded(&href), realm));
            }
            "/a" => {
                flush(&mut text, &link, &mut pieces);
                link = None;
            }
            "br" | "p" | "/p" | "div" | "/div" | "li" | "h1" | "h2" | "h3" | "/h1" | "/h2" | "/h3" => {
                flush(&mut text, &link, &mut pieces);
                if !pieces.is_empty() && pieces.last() != Some(&Piece::Break) {
                    pieces.push(Piece::Break);
                }
            }
            _ => {}
        }
        if pieces.len() >= MAX_PIECES {
            return pieces;
        }
    }
    text.push_str(&decoded(rest));
    flush(&mut text, &link, &mut pieces);
    while matches!(pieces.last(), Some(Piece::Break)) || pieces.last() == Some(&Piece::Text(" ".to_owned())) {
        pieces.pop();
    }
    pieces
}

/// The same as one line of text.
pub(super) fn plain(html: &str) -> String {
    let pieces = reduce(html, "/").into_iter().map(|piece| match piece {
        Piece::Text(text) | Piece::Link { text, .. } => text,
        Piece::Break => " ".to_owned(),
    });
    pieces.collect::<String>().trim().to_owned()
}

fn attribute(attributes: &str, wanted: &str) -> Option<String> {
    let mut rest = attributes;
    loop {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (value, next) = match after.chars().next()? {
            quote @ ('"' | '\'') => after.get(1..)?.split_once(quote)?,
            _ => after.split_once(char::is_whitespace).unwrap_or((after, "")),
        };
        if name.split_whitespace().last().is_some_and(|name| name.eq_ignore_ascii_case(wanted)) {
            return Some(value.to_owned());
        }
        rest = next;
    }
}

/// Links lead to the web or to another journey; AM's own pages name those behind a `#`.
fn target(href: &str, realm: &str) -> Option<String> {
    let href = href.trim();
    if href.chars().any(char::is_control) {
        return None;
    }
    let journey = ["#/service/", "#service/"].iter().find_map(|start| href.strip_prefix(start));
    if let Some(journey) = journey {
        let journey = journey.split(['&', '?', '/']).next().unwrap_or_default();
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("realm", realm).append_pair("service", journey);
        return Some(format!("{LOGIN}?{}", query.finish()));
    }
    let rooted = href.starts_with('/') && !href.starts_with("//") && !href.contains('\\');
    (rooted || is_web(href)).then(|| href.to_owned())
}

/// Whether it is an absolute address that a browser may be sent to.
pub(super) fn is_web(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

/// The character references that operators use.
fn decoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let reference = after.split_once(';').filter(|(name, _)| name.len() <= 8);
        let character = reference.and_then(|(name, _)| match name {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            "nbsp" => Some('\u{a0}'),
            _ => {
                let number = name.strip_prefix('#')?;
                let code = match number.strip_prefix(['x', 'X']) {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(code).filter(|c| !c.is_control())
            }
        });
        match (character, reference) {
            (Some(character), Some((_, after))) => {
                out.push(character);
                rest = after;
            }
            _ => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Piece {
        Piece::Text(text.to_owned())
    }

    fn link(href: &str, text: &str) -> Piece {
        Piece::Link { href: href.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn what_operators_write_stays_readable() {
        let html = "New here? <a href=\"#/service/Registration\">Create an account</a><br><a href='#/service/Forgotten \
                    Username&x=y'>Forgot username?</a>";
        assert_eq!(
            reduce(html, "/alpha"),
            [
                text("New here? "),
                link("/am/UI/Login?realm=%2Falpha&service=Registration", "Create an account"),
                Piece::Break,
                link("/am/UI/Login?realm=%2Falpha&service=Forgotten+Username", "Forgot username?"),
            ]
        );
        assert_eq!(
            reduce("<h1>A &amp; B</h1><p>c &lt; d &#65;&#x42;</p>", "/"),
            [text("A & B"), Piece::Break, text("c < d AB")]
        );
        assert_eq!(reduce("1 < 2 & 3", "/"), [text("1 < 2 & 3")]);
        assert_eq!(plain("<b>Sign</b> in<br/>here"), "Sign in here");
        assert_eq!(reduce("<A HREF=https://www.example.com/x>y</A>", "/"), [link("https://www.example.com/x", "y")]);
    }

    #[test]
    fn nothing_of_it_runs_or_leads_astray() {
        for html in [
            "<a href=\"javascript:alert(1)\">x</a>",
            "<a href=\"&#106;avascript:alert(1)\">x</a>",
            "<a href=\"//evil.example\">x</a>",
            "<a href=\"/\\evil.example\">x</a>",
            "<a href=\"java\nscript:alert(1)\">x</a>",
            "<a href=\"data:text/html,x\">x</a>",
            "<a onclick=\"alert(1)\">x</a>",
            "<script>alert(1)</script>x",
            "<style>y{}</style>x",
            "<img src=x onerror=alert(1)>x",
            "x<script",
            "x<!-- -->",
        ] {
            assert_eq!(reduce(html, "/"), [text("x")], "{html}");
        }
        assert!(reduce(&"<br>x".repeat(10_000), "/").len() <= MAX_PIECES + 1);
    }
}
