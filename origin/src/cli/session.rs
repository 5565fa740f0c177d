use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use countersign_core::cookie::MAX_HEADER;
use zeroize::Zeroizing;

use super::{Failure, Outcome, open_store, settings};
use crate::am_session::{self, AmSettings};
use crate::{App, Clock as _, SystemClock, SystemEntropy, explain};

#[derive(Subcommand)]
pub(super) enum Session {
    /// Explains a session cookie: its layers, keys and claims, and whether it holds, as JSON. No key leaves this
    /// machine. With --am-settings it is a cookie of AM.
    #[command(after_long_help = OF_AM)]
    Decode(Decode),
    /// Ends sessions: all of a user, of a realm, or made with a key; or one.
    End(super::sessions_end::End),
}

#[derive(Args)]
pub(super) struct Decode {
    /// A file with the token; "-", or none, for standard input.
    #[arg(long, conflicts_with = "token")]
    file: Option<PathBuf>,
    /// The token itself, or name=token. It is a password until it ends, and shells remember: better on standard input.
    token: Option<String>,
    /// AM's session settings, as JSON: explains a cookie of AM, and asks for no installation of Countersign.
    #[arg(long, value_name = "FILE", help_heading = "For a cookie of AM")]
    am_settings: Option<PathBuf>,
    /// AM's HMAC secret (base64), or its public key or certificate (PEM). Again for each other one to try.
    #[arg(long, value_name = "FILE", requires = "am_settings", help_heading = "For a cookie of AM")]
    am_signing_key: Vec<PathBuf>,
    /// AM's AES key (base64), or its private RSA key (PKCS#8, PEM). Again for each other one to try.
    #[arg(long, value_name = "FILE", requires = "am_settings", help_heading = "For a cookie of AM")]
    am_encryption_key: Vec<PathBuf>,
}

const OF_AM: &str = "\
A cookie of AM (iPlanetDirectoryPro, or whatever its name is there), its JWT, or an authId is explained by what AM has:

  --am-settings        the answer of GET /json/global-config/services/session, or an export with it inside. What it
                       says under `stateless` counts: which layers a token has, and by which algorithms.
  --am-signing-key     AM shows its secrets to nobody: in that answer they are null. HS256, HS384 and HS512 want the
                       base64 text (AM_SESSION_STATELESS_SIGNING_KEY of ForgeOps, for instance); whether AM takes the
                       text itself or what it decodes to, the cookie tells. RS256 and ES256/384/512 want the public
                       half: `keytool -exportcert -rfc -alias NAME -keystore FILE`.
  --am-encryption-key  DIRECT and AES_KEYWRAP want the base64 text, RSA the private key.

What is in the settings file is tried too. Nothing of it is printed but which of them fitted.";

impl Session {
    pub(super) async fn run(self, config: &Path) -> Outcome {
        let Decode { file, token, am_settings, am_signing_key, am_encryption_key } = match self {
            Self::Decode(decode) => decode,
            Self::End(end) => return end.run(settings(config)?).await,
        };
        // Before the token: what is wrong with it is said without one.
        let of_am = am_settings.map(|path| AmSettings::load(&path, &am_signing_key, &am_encryption_key)).transpose()?;
        let text = match (token, file) {
            (Some(token), _) => Zeroizing::new(token),
            (None, Some(path)) if path.as_os_str() != "-" => {
                let file = std::fs::File::open(&path)
                    .map_err(|error| Failure(format!("cannot read {}: {error}", path.display())))?;
                read(file)?
            }
            (None, _) => read(std::io::stdin())?,
        };
        if let Some(of_am) = of_am {
            let explanation = am_session::explain(&of_am, &text, SystemClock.now().seconds());
            println!("{}", harmless(&serde_json::to_string_pretty(&explanation)?));
            // A session that AM keeps itself is explained whole, too.
            let is_told = explanation.claims.is_some() || explanation.refused.is_none();
            return Ok(if is_told { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        if am_session::is_of_am(&text) {
            return Err(Failure(
                "this looks like a cookie of AM: with --am-settings it is explained (`session decode --help`)".into(),
            ));
        }
        let settings = settings(config)?;
        let store = open_store(&settings).await?;
        let app = App::read_only(settings, store, Box::new(SystemClock), Box::new(SystemEntropy)).await?;
        let explanation = explain(&app, &text).await;
        app.store.close().await;
        let explanation = explanation?;
        println!("{}", harmless(&serde_json::to_string_pretty(&explanation)?));
        // Whether it holds is part of what is told; something else than a session is a failure.
        let is_none = explanation.layers.is_empty() && explanation.claims.is_none();
        Ok(if is_none { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// JSON without what steers a terminal or turns the order of its characters: anybody may have written the cookie. Such
/// characters stand in strings only, where they can be escaped.
fn harmless(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '\n' => shown.push('\n'),
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => {
                shown.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            control if control.is_control() => shown.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => shown.push(other),
        }
    }
    shown
}

fn read(from: impl std::io::Read) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::new());
    let limit = u64::try_from(MAX_HEADER).unwrap_or(u64::MAX);
    from.take(limit + 1)
        .read_to_string(&mut text)
        .map_err(|error| Failure(format!("cannot read the token: {error}")))?;
    if text.trim().is_empty() {
        return Err(Failure("there is no token".into()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_does_not_steer_the_terminal() {
        let text = "a\u{9b}31m\u{7f}\u{202e}b\n\t\"ü€\u{feff}";
        let json = serde_json::to_string_pretty(&serde_json::json!({ "k": text })).unwrap();
        let shown = harmless(&json);
        assert!(shown.contains(r#"a\u009b31m\u007f\u202eb\n\t\"ü€\ufeff"#), "{shown}");
        assert!(shown.starts_with("{\n  \"k\""));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap()["k"], text);
    }
}
