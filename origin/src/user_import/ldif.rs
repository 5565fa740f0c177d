use std::io::BufRead;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{MAX_LINE, Next, Record, Records, read_line};

/// RFC 2849: entries apart by blank lines. Changes other than additions are refused.
pub(super) struct Ldif<R> {
    from: R,
    line: u64,
    /// Read already, since only the next line tells whether one goes on.
    ahead: Option<String>,
}

impl<R: BufRead> Ldif<R> {
    pub(super) const fn new(from: R) -> Self {
        Self { from, line: 0, ahead: None }
    }

    /// A line with those that continue it, which begin with a space.
    fn logical(&mut self) -> Result<Option<(u64, String)>, String> {
        let mut whole = match self.ahead.take() {
            Some(line) => line,
            None => match read_line(&mut self.from, &mut self.line)? {
                Some(line) => line,
                None => return Ok(None),
            },
        };
        let began = self.line;
        loop {
            match read_line(&mut self.from, &mut self.line)? {
                Some(line) if line.starts_with(' ') && !whole.is_empty() => {
                    whole.push_str(line.get(1..).unwrap_or_default());
                    if whole.len() > MAX_LINE {
                        return Err(format!("line {began}: a value may have {MAX_LINE} bytes"));
                    }
                }
                next => {
                    self.ahead = next;
                    return Ok(Some((began, whole)));
                }
            }
        }
    }
}

impl<R: BufRead> Records for Ldif<R> {
    fn next(&mut self) -> Result<Next, String> {
        let mut entry: Option<(u64, Result<Record, String>)> = None;
        let mut bytes = 0;
        while let Some((number, line)) = self.logical()? {
            if line.is_empty() {
                if entry.is_some() {
                    return Ok(entry);
                }
                continue;
            }
            if line.starts_with('#') || entry.is_none() && line.starts_with("version:") {
                continue;
            }
            bytes += line.len();
            let (_, record) = entry.get_or_insert_with(|| (number, Ok(Record::default())));
            if let Ok(known) = record {
                let taken = if bytes > MAX_LINE {
                    Err(format!("an entry may have {MAX_LINE} bytes"))
                } else {
                    take(known, &line)
                };
                if let Err(why) = taken {
                    *record = Err(why);
                }
            }
        }
        Ok(entry)
    }
}

fn take(record: &mut Record, line: &str) -> Result<(), String> {
    let (name, value) = line.split_once(':').ok_or("a line has no colon")?;
    // An option such as a language is no name of its own.
    let name = name.split(';').next().unwrap_or_default();
    let value = if let Some(packed) = value.strip_prefix(':') {
        let bytes = STANDARD.decode(packed.trim()).map_err(|_| format!("{name} is not Base64"))?;
        String::from_utf8(bytes).map_err(|_| format!("{name} is no text"))?
    } else if value.starts_with('<') {
        return Err(format!("{name} is in another file"));
    } else {
        value.trim_start_matches(' ').to_owned()
    };
    if name.eq_ignore_ascii_case("changetype") && !value.trim().eq_ignore_ascii_case("add") {
        return Err("it is no entry but a change of one".to_owned());
    }
    if name.eq_ignore_ascii_case("changetype") {
        return Ok(());
    }
    record.add(name, &value)
}
