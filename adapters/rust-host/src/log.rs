//! Log lines: one a line on standard error, `event=… key=value`.

use std::fmt::Arguments;
use std::io::{self, Write};

/// Writes a line, if it can be written: whoever read standard error may be gone, which is no reason to panic.
pub fn event(line: Arguments<'_>) {
    let _ = writeln!(io::stderr(), "event={line}");
}
