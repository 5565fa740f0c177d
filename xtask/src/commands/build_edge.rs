use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::edge_build::{self, BuildOptions};
use crate::say;

#[derive(clap::Args)]
pub struct Args {
    /// Extra cargo features of the edge crate; needs --out
    #[arg(long, value_delimiter = ',', requires = "out")]
    features: Vec<String>,
    /// Another directory than edge/dist
    #[arg(long)]
    out: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let mut options = BuildOptions { features: args.features.clone(), ..BuildOptions::default() };
    if let Some(out) = &args.out {
        options.dist = crate::absolute(out);
    }
    let built = edge_build::build(&options)?;
    say(format_args!(
        "{}: {} KiB of wasm, {} KiB compressed",
        built.dist.display(),
        built.wasm_bytes / 1024,
        built.wasm_gzip_bytes / 1024
    ));
    Ok(ExitCode::SUCCESS)
}
