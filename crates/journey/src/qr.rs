//! QR codes, for apps that are shown a link.

use qrcode::render::svg;
use qrcode::{Color, EcLevel, QrCode};

/// The text as a black and white SVG image; `None` when it is too long for a code.
pub fn svg(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    Some(code.render::<svg::Color<'_>>().min_dimensions(240, 240).quiet_zone(true).build())
}

/// The same in little: each row of modules, from the left, as hexadecimal digits.
pub(crate) fn rows(text: &str) -> Option<Vec<String>> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let row = |modules: &[Color]| {
        let digit = |four: &[Color]| {
            let bit = |at: usize| u32::from(four.get(at) == Some(&Color::Dark));
            char::from_digit(bit(0) << 3 | bit(1) << 2 | bit(2) << 1 | bit(3), 16).unwrap_or('0')
        };
        modules.chunks(4).map(digit).collect()
    };
    Some(code.to_colors().chunks(code.width()).map(row).collect())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_link_becomes_an_image() {
        let image = super::svg("otpauth://totp/a?secret=MZXW6YTBOI").unwrap();
        assert!(image.contains("<svg ") && !image.contains("otpauth"));
        assert!(super::svg(&"x".repeat(4000)).is_none());
        // The finder pattern in the corner.
        let rows = super::rows("otpauth://totp/a?secret=MZXW6YTBOI").unwrap();
        assert!(rows[0].starts_with("fe") && rows[1].starts_with("82") && rows[2].starts_with("ba"), "{rows:?}");
    }
}
