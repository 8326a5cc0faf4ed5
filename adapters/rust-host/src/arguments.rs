//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

/// What comes after the program's name.
pub const USAGE: &str = "--socket PATH | --describe | --bench FILE --runs N";

/// What the process is to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    Serve { socket: PathBuf },
    Describe,
    Bench { file: PathBuf, runs: usize },
}

/// Reads the arguments after the program's name; None where they are wrong.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Option<Command> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let words: Vec<Option<&str>> = arguments.iter().map(|argument| argument.to_str()).collect();
    let path = |index: usize| PathBuf::from(&arguments[index]);
    match words[..] {
        [Some("--describe")] => Some(Command::Describe),
        [Some("--socket"), _] => Some(Command::Serve { socket: path(1) }),
        [Some("--bench"), _, Some("--runs"), Some(runs)] => bench(path(1), runs),
        [Some("--runs"), Some(runs), Some("--bench"), _] => bench(path(3), runs),
        _ => None,
    }
}

fn bench(file: PathBuf, runs: &str) -> Option<Command> {
    let runs = runs.parse().ok().filter(|&runs| runs > 0)?;
    Some(Command::Bench { file, runs })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(words: &[&str]) -> Option<Command> {
        parse(words.iter().map(OsString::from))
    }

    #[test]
    fn reads_each_command() {
        assert_eq!(command(&["--describe"]), Some(Command::Describe));
        assert_eq!(command(&["--socket", "/s"]), Some(Command::Serve { socket: "/s".into() }));
        let bench = Some(Command::Bench { file: "f".into(), runs: 3 });
        assert_eq!(command(&["--bench", "f", "--runs", "3"]), bench);
        assert_eq!(command(&["--runs", "3", "--bench", "f"]), bench);
    }

    #[test]
    fn refuses_everything_else() {
        for words in [&[][..], &["--socket"], &["--describe", "x"], &["--bench", "f"], &["--bench", "f", "--runs", "0"]]
        {
            assert_eq!(command(words), None, "{words:?}");
        }
    }
}
