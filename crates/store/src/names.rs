//! User names: how they are kept, and which of them are one.
//!
//! A name is kept as it was chosen, in Unicode's form NFKC. Names are the same that differ in case, or in forms that
//! NFKC makes one (full width, ligatures, composed letters). Letters of two scripts that look alike stay two letters.
//!
//! This is the comparison of RFC 8265 (UsernameCaseMapped) with full case folding, without its class of letters: that
//! class changes with the versions of Unicode, and has no place for names that directories have had for decades.

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization as _, is_nfkc};

use crate::{StoreError, check};

/// The form in which a name is kept.
pub fn normal_name(name: &str) -> Cow<'_, str> {
    if is_nfkc(name) { Cow::Borrowed(name) } else { Cow::Owned(name.nfkc().collect()) }
}

/// What names have in common that are the same. One that would be too long to find anybody by is like itself only.
pub fn name_key(name: &str) -> String {
    let key = folded(name);
    if key.len() <= check::MAX_NAME { key } else { name.to_owned() }
}

/// There and back, so that letters become one that have a capital in common, as in full case folding: `ß`, `ẞ` and
/// `ss`.
fn folded(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    let lower = name.nfkc().flat_map(char::to_lowercase);
    lower.flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfkc().collect()
}

/// Whether somebody new may have this name. (Names of before stay what they are.)
pub(crate) fn new_name(name: &str) -> Result<(), StoreError> {
    const WHAT: &str = "username";
    check::name(WHAT, name)?;
    let refused = |rule| Err(StoreError::Invalid { what: WHAT, rule });
    if name.chars().any(|letter| letter == '/' || letter.is_whitespace()) {
        return refused("must have neither white space nor /");
    }
    if name.chars().any(is_invisible) {
        return refused("must not have characters that nobody sees");
    }
    if matches!(name, "." | "..") {
        return refused("must not be a step in a path");
    }
    if !is_nfkc(name) {
        return refused("must be in Unicode's form NFKC");
    }
    check::at_most(WHAT, folded(name).len(), check::MAX_NAME)
}

/// Unicode's Default_Ignorable_Code_Point: joiners, marks of direction, fillers, tags.
fn is_invisible(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_whatever_their_case_and_form() {
        for same in [
            &["adm", "ADM", "Adm", "ａｄｍ", "\u{ff21}dm"][..],
            &["groß", "GROSS", "GROẞ", "gross"],
            &["é", "e\u{301}", "É"],
            &["οδος", "ΟΔΟΣ", "οδοσ"],
            &["ﬁsh", "FISH"],
            &["\u{212a}ay", "kay"],
        ] {
            for name in same {
                assert_eq!(name_key(name), name_key(same[0]), "{name}");
            }
        }
        // Look-alikes are others.
        for (one, other) in [("adm", "аdm"), ("o", "0"), ("a", "á"), ("a.b", "ab")] {
            assert_ne!(name_key(one), name_key(other), "{one} {other}");
        }
        assert_eq!(normal_name("ａnna"), "anna");
        assert!(matches!(normal_name("Anna"), Cow::Borrowed("Anna")));
    }

    #[test]
    fn a_key_is_its_own_key() {
        // Where letters have cases or forms; ideographs and Hangul have neither.
        let plane = ('\0'..='\u{33ff}').chain('\u{a000}'..='\u{abff}').chain('\u{f900}'..='\u{ffff}');
        for letter in plane.chain('\u{10400}'..='\u{104ff}').chain('\u{1e900}'..='\u{1e9ff}') {
            let key = name_key(&letter.to_string());
            assert_eq!(name_key(&key), key, "{letter:?}");
        }
        let long = "ᾳ".repeat(85);
        assert_eq!(name_key(&long), long, "a key that would be too long");
    }

    #[test]
    fn names_that_mislead_are_not_for_new_users() {
        for good in ["adm", "Anna.Bell", "anna@example.com", "ünal", "аdm", "...", "a\\b", "山田"] {
            assert_eq!(new_name(good), Ok(()), "{good:?}");
        }
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "../a",
            "a b",
            " a",
            "a\u{a0}b",
            "a\tb",
            "a\0",
            "a\u{200b}b",
            "\u{202e}a",
            "ａdm",
            "e\u{301}",
            "a\u{fe0f}",
            &"ᾳ".repeat(85),
        ] {
            assert!(new_name(bad).is_err(), "{bad:?}");
        }
    }
}
