//! QR codes, for apps that are shown a link.

use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};

/// The text as a black and white SVG image; `None` when it is too long for a code.
pub fn svg(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    Some(code.render::<svg::Color<'_>>().min_dimensions(240, 240).quiet_zone(true).build())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_link_becomes_an_image() {
        let image = super::svg("otpauth://totp/a?secret=MZXW6YTBOI").unwrap();
        assert!(image.contains("<svg ") && !image.contains("otpauth"));
        assert!(super::svg(&"x".repeat(4000)).is_none());
    }
}
