//! The binary `countersign`.

use std::process::ExitCode;

fn main() -> ExitCode {
    countersign_origin::cli::main()
}
