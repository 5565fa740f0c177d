//! Fuzz targets for what bytes from outside reach first. A target is a plain function that panics when a property does
//! not hold, so that libFuzzer (`libfuzzer/`) and the bounded run of the tests (`tests/smoke.rs`) run the same code.
//!
//! Inputs are legible where they can be, so that a seed says what it is for and a finding can be read.

mod am;
mod bundle;
mod cookie;
mod denylist;
pub mod drive;
mod forge;
mod gate;
mod token;

/// A target: its name is that of its seeds' directory and of its libFuzzer program.
#[derive(Clone, Copy)]
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
    /// Words of its grammar, for a driver that does not see which branches it takes.
    pub words: &'static [&'static str],
}

pub const TARGETS: [Target; 6] = [
    Target { name: "am", run: am::run, words: am::WORDS },
    Target { name: "bundle", run: bundle::run, words: bundle::WORDS },
    Target { name: "cookie", run: cookie::run, words: cookie::WORDS },
    Target { name: "denylist", run: denylist::run, words: denylist::WORDS },
    Target { name: "gate", run: gate::run, words: gate::WORDS },
    Target { name: "token", run: token::run, words: token::WORDS },
];

impl Target {
    pub fn named(name: &str) -> Option<Self> {
        TARGETS.into_iter().find(|target| target.name == name)
    }
}

/// For libFuzzer's programs, which know their name when they are compiled.
pub fn run(name: &str, data: &[u8]) {
    match Target::named(name) {
        Some(target) => (target.run)(data),
        None => panic!("no fuzz target {name}"),
    }
}
