//! What the realms have to run: the built-in journey.

use std::sync::Arc;

use countersign_journey::{Export, Library, Variables, import};

use super::DEFAULT_TREE;
use crate::app::App;

const BUILT_IN: &str = include_str!("login.journey.json");

/// The libraries of the realms, as of the last look at the database.
pub(crate) struct Libraries {
    built_in: Arc<Library>,
}

impl Libraries {
    pub(crate) fn new() -> Self {
        let mut library = Library::new();
        library.add(&built_in(), &Variables::default());
        Self { built_in: Arc::new(library) }
    }
}

/// The journeys that every realm has.
fn built_in() -> Export {
    // A test reads it: the text is part of the program.
    import::from_json(BUILT_IN).unwrap_or_default()
}

impl App {
    /// The journeys of a realm with what belongs to them, at most a second old. Take it once per request.
    pub(crate) fn library(&self, _realm: &str) -> Arc<Library> {
        Arc::clone(&self.libraries.built_in)
    }

    /// The journey of a realm's logins that name none.
    pub(crate) fn default_journey(&self, _realm: &str) -> String {
        DEFAULT_TREE.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use countersign_journey::validate::{Verdict, validate};

    use super::*;

    #[test]
    fn the_built_in_journey_runs() {
        let libraries = Libraries::new();
        let journey = libraries.built_in.journey(DEFAULT_TREE).unwrap();
        let report = validate(&libraries.built_in, journey);
        assert_eq!((report.verdict, report.findings), (Verdict::Runs, vec![]));
    }
}
