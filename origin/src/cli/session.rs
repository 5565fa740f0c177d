use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use countersign_core::cookie::MAX_HEADER;
use zeroize::Zeroizing;

use super::{Failure, Outcome, open_store};
use crate::settings::Settings;
use crate::{App, SystemClock, SystemEntropy, explain};

#[derive(Subcommand)]
pub(super) enum Session {
    /// Explains a session cookie: its layers, keys and claims, and whether it holds, as JSON. No key leaves this
    /// machine.
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
}

impl Session {
    pub(super) async fn run(self, settings: Settings) -> Outcome {
        let Decode { file, token } = match self {
            Self::Decode(decode) => decode,
            Self::End(end) => return end.run(settings).await,
        };
        let text = match (token, file) {
            (Some(token), _) => Zeroizing::new(token),
            (None, Some(path)) if path.as_os_str() != "-" => {
                let file = std::fs::File::open(&path)
                    .map_err(|error| Failure(format!("cannot read {}: {error}", path.display())))?;
                read(file)?
            }
            (None, _) => read(std::io::stdin())?,
        };
        let store = open_store(&settings).await?;
        let app = App::read_only(settings, store, Box::new(SystemClock), Box::new(SystemEntropy)).await?;
        let explanation = explain(&app, &text).await;
        app.store.close().await;
        let explanation = explanation?;
        println!("{}", serde_json::to_string_pretty(&explanation)?);
        // Whether it holds is part of what is told; something else than a session is a failure.
        let is_none = explanation.layers.is_empty() && explanation.claims.is_none();
        Ok(if is_none { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
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
