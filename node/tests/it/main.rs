//! The binary `salus`, from outside.

use std::process::Command;

/// `salus .. | head` ends when the reader has gone, and does not complain.
#[test]
fn a_command_whose_reader_has_gone_ends_without_a_word() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);

    let ended = Command::new(env!("CARGO_BIN_EXE_salus"))
        .args(["blockcfg", "compare", "--instances", "1"])
        .stdout(writer)
        .output()
        .expect("it runs");

    assert_eq!(ended.status.code(), Some(141));
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
}
