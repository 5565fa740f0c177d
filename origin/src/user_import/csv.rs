use std::io::BufRead;

use csv::{Reader, ReaderBuilder, StringRecord};

use super::{MAX_LINE, Next, Record, Records};

/// Columns of a table.
const MAX_COLUMNS: usize = 256;

/// RFC 4180, with a header line that names the columns; a name may come more than once, for further values.
pub(super) struct Csv<R> {
    reader: Reader<R>,
    columns: Vec<String>,
    record: StringRecord,
}

impl<R: BufRead> Csv<R> {
    pub(super) fn new(from: R) -> Result<Self, String> {
        let mut reader = ReaderBuilder::new().flexible(true).from_reader(from);
        let columns: Vec<String> = match reader.headers() {
            // Spreadsheets put a mark in front of UTF-8.
            Ok(header) => header.iter().map(|name| name.trim_start_matches('\u{feff}').trim().to_owned()).collect(),
            Err(error) => return Err(format!("line 1: {}", plain(&error))),
        };
        if columns.is_empty() || columns.len() > MAX_COLUMNS {
            return Err(format!("line 1: there must be 1 to {MAX_COLUMNS} columns"));
        }
        if columns.iter().any(String::is_empty) {
            return Err("line 1: a column has no name".to_owned());
        }
        Ok(Self { reader, columns, record: StringRecord::new() })
    }
}

/// The error without what stood in the file.
fn plain(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "it is not UTF-8".to_owned(),
        csv::ErrorKind::Io(error) => error.to_string(),
        _ => "it is no line of a table".to_owned(),
    }
}

impl<R: BufRead> Records for Csv<R> {
    fn next(&mut self) -> Result<Next, String> {
        let line = self.reader.position().line();
        let read = match self.reader.read_record(&mut self.record) {
            Ok(false) => return Ok(None),
            Ok(true) => Ok(()),
            Err(error) if matches!(error.kind(), csv::ErrorKind::Io(_)) => {
                return Err(format!("line {line}: {}", plain(&error)));
            }
            Err(error) => Err(plain(&error)),
        };
        let line = self.record.position().map_or(line, csv::Position::line);
        Ok(Some((line, read.and_then(|()| self.taken()))))
    }
}

impl<R> Csv<R> {
    fn taken(&self) -> Result<Record, String> {
        if self.record.len() != self.columns.len() {
            return Err(format!("it has {} fields, the header has {}", self.record.len(), self.columns.len()));
        }
        if self.record.as_slice().len() > MAX_LINE {
            return Err(format!("a record may have {MAX_LINE} bytes"));
        }
        let mut record = Record::default();
        for (name, value) in self.columns.iter().zip(&self.record) {
            record.add(name, value)?;
        }
        Ok(record)
    }
}
