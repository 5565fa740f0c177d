use std::time::Duration;

/// What one run may use. The defaults suit a login: they are far above what a decision needs, and far below what would
/// be felt beside it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes that the engine may hold at once, its own few hundred kilobytes included.
    pub memory: usize,
    /// Bytes of stack for calls within the script.
    pub stack: usize,
    /// Time for the script itself; what it waits for its host does not count.
    pub time: Duration,
    /// Time for all of it, waiting included.
    pub total: Duration,
    /// Bytes of a source, libraries likewise.
    pub source: usize,
    /// Bytes of what it leaves behind.
    pub output: usize,
    /// Lines that it may log, and bytes of one; more are dropped, longer ones are cut.
    pub log_lines: usize,
    pub log_line: usize,
    /// HTTP exchanges, and bytes of a body, sent or received.
    pub exchanges: usize,
    pub body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 16 << 20,
            stack: 256 << 10,
            time: Duration::from_millis(1000),
            total: Duration::from_secs(15),
            source: 256 << 10,
            output: 1 << 20,
            log_lines: 200,
            log_line: 4096,
            exchanges: 20,
            body: 1 << 20,
        }
    }
}
