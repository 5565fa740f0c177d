//! A whole installation as text, to move it to another database or to keep it; and whether one is in order.
//!
//! ```text
//! {"countersign":"copy","format":1,"made_at":…,"master_key_check":…}
//! {"table":"realms","columns":["name",…]}
//! ["/alpha",true,1800000000]
//! …
//! {"rows":…,"sha256":…}
//! ```
//!
//! Bytes are base64url. The last line has the number of rows and the SHA-256 of all lines before it, so that a copy
//! that was cut off or altered by accident is noticed; it is no protection against intent, as a copy of a database is
//! none. Keys stay sealed: the other database must be opened with the same master key.

mod check;
mod export;
mod import;
mod tables;
#[cfg(test)]
mod tests;

pub use check::Report;
pub use import::Imported;

const FORMAT: u64 = 1;
/// Rows that are read or written at once.
const PAGE: usize = 512;
