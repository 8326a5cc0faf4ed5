//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

/// What comes after the program's name.
pub const USAGE: &str = "--socket PATH | --listen HOST:PORT [--tls-certificate FILE --tls-key FILE --tls-client-ca FILE] \
    | --describe | --bench FILE --runs N";

/// What the process is to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    Serve { socket: PathBuf },
    Listen { address: String, tls: Option<TlsFiles> },
    Describe,
    Bench { file: PathBuf, runs: usize },
}

/// PEM files of a server whose clients have to show a certificate.
#[derive(Debug, PartialEq, Eq)]
pub struct TlsFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Of the authority that signed the clients' certificates.
    pub client_ca: PathBuf,
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
        _ => listen(&arguments),
    }
}

/// `--listen` and the names of TLS files, all three or none, in any order.
fn listen(arguments: &[OsString]) -> Option<Command> {
    const NAMES: [&str; 4] = ["--listen", "--tls-certificate", "--tls-key", "--tls-client-ca"];
    let (pairs, []) = arguments.as_chunks::<2>() else { return None };
    let mut values = [const { None }; NAMES.len()];
    for [name, value] in pairs {
        let place = NAMES.iter().position(|known| name == known)?;
        if values[place].replace(value).is_some() {
            return None;
        }
    }
    let [address, certificate, key, client_ca] = values;
    let tls = match (certificate, key, client_ca) {
        (None, None, None) => None,
        (Some(certificate), Some(key), Some(client_ca)) => {
            Some(TlsFiles { certificate: certificate.into(), key: key.into(), client_ca: client_ca.into() })
        }
        _ => return None,
    };
    Some(Command::Listen { address: address?.to_str()?.to_owned(), tls })
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
    fn tls_takes_three_files_in_any_order() {
        let listen = |tls| Some(Command::Listen { address: "h:1".to_owned(), tls });
        assert_eq!(command(&["--listen", "h:1"]), listen(None));
        let files = TlsFiles { certificate: "c".into(), key: "k".into(), client_ca: "a".into() };
        let words = ["--tls-key", "k", "--tls-client-ca", "a", "--listen", "h:1", "--tls-certificate", "c"];
        assert_eq!(command(&words), listen(Some(files)));
        for left_out in [0, 2, 4, 6] {
            assert_eq!(command(&[&words[..left_out], &words[left_out + 2..]].concat()), None);
        }
        for words in [&["--listen"][..], &["--listen", "h:1", "--listen", "h:1"], &["--listen", "h:1", "--socket", "s"]]
        {
            assert_eq!(command(words), None, "{words:?}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        for words in [&[][..], &["--socket"], &["--describe", "x"], &["--bench", "f"], &["--bench", "f", "--runs", "0"]]
        {
            assert_eq!(command(words), None, "{words:?}");
        }
    }
}
