//! Time tells nothing of a signature. Not measured with a clock, which on a busy machine shows anything, but by
//! counting: the same number of instructions, whichever byte is wrong.

use std::process::Command;

/// Instructions of a run, as Valgrind counts them; `None` where it is not installed.
fn instructions(layer: &str, byte: usize) -> Option<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])
        .arg(env!("CARGO_BIN_EXE_verify-wrong"))
        // Of one length, lest the stack lie elsewhere.
        .args([layer, &format!("{byte:02}")])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    // "I refs", with blanks that differ between versions.
    let line = text.lines().find(|line| line.contains("refs:")).unwrap_or_else(|| panic!("no count in {text}"));
    let digits: String = line.rsplit(':').next().unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
    Some(digits.parse().unwrap_or_else(|error| panic!("{line}: {error}")))
}

#[test]
fn j35_every_wrong_byte_takes_the_same_instructions() {
    for (layer, bytes) in [("hs256", [0, 15, 31]), ("a256gcm", [0, 8, 15])] {
        let Some(first) = instructions(layer, bytes[0]) else {
            eprintln!("NOT COUNTED: valgrind is not installed");
            return;
        };
        for byte in &bytes[1..] {
            let count = instructions(layer, *byte).expect("valgrind ran a moment ago");
            assert_eq!(count, first, "{layer}: byte {byte} against byte {}", bytes[0]);
        }
        println!("{layer}: {first} instructions, whichever byte is wrong");
    }
}
