use std::io::BufRead;

use serde_json::{Map, Value};

use super::{Next, Record, Records, read_line};

/// A JSON object on each line.
pub(super) struct JsonLines<R> {
    from: R,
    line: u64,
}

impl<R: BufRead> JsonLines<R> {
    pub(super) const fn new(from: R) -> Self {
        Self { from, line: 0 }
    }
}

impl<R: BufRead> Records for JsonLines<R> {
    fn next(&mut self) -> Result<Next, String> {
        loop {
            let Some(text) = read_line(&mut self.from, &mut self.line)? else { return Ok(None) };
            if text.trim().is_empty() {
                continue;
            }
            // The parser's words may quote a secret.
            let object =
                serde_json::from_str::<Map<String, Value>>(&text).map_err(|_| "it is no JSON object".to_owned());
            return Ok(Some((self.line, object.and_then(Record::of_object))));
        }
    }
}
