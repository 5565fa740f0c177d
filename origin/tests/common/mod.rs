//! What the tests that start the program share.

use std::io::BufRead;

/// Reads a server's log up to the line with its address: the port is the system's choice.
pub(crate) fn address(log: &mut impl BufRead) -> String {
    let mut line = String::new();
    loop {
        line.clear();
        assert!(log.read_line(&mut line).unwrap() > 0, "the server ended");
        if let Some((_, after)) = line.split_once("listening listen=") {
            return after.split(' ').next().unwrap().to_owned();
        }
    }
}
