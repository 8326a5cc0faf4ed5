//! An adapter's process; see adapters/CONTRACT.md, "Obligations as a process".

use std::process::ExitCode;

use crate::arguments::{self, Command};
use crate::benchmark::{self, ShortestWay};
use crate::client::Client;
use crate::listener::NoServer;
use crate::{description, log, server};

const WRONG_ARGUMENTS: u8 = 2;

/// Does what the command line asks. The program has the name `<lineage>-adapter`.
pub fn run(client: impl Client, shortest_way: ShortestWay) -> ExitCode {
    let description = client.describe();
    let outcome = match arguments::parse(std::env::args_os().skip(1)) {
        Some(Command::Describe) => Ok(Some(description::json_line(&description))),
        Some(Command::Bench { file, runs }) => {
            benchmark::run(&file, runs, shortest_way).map(Some).map_err(NoServer::Failed)
        }
        Some(Command::Serve { socket }) => server::serve(&socket, client).map(|()| None),
        Some(Command::Listen { address, tls }) => server::listen(&address, tls.as_ref(), client).map(|()| None),
        None => {
            eprintln!("usage: {}-adapter {}", description.lineage, arguments::USAGE);
            return ExitCode::from(WRONG_ARGUMENTS);
        }
    };
    match outcome {
        Ok(line) => {
            if let Some(line) = line {
                println!("{line}");
            }
            ExitCode::SUCCESS
        }
        Err(NoServer::Arguments(reason)) => {
            eprintln!("{reason}");
            ExitCode::from(WRONG_ARGUMENTS)
        }
        Err(NoServer::Failed(reason)) => {
            log::event(format_args!("failed reason={reason:?}"));
            ExitCode::FAILURE
        }
    }
}
