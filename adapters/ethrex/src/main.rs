//! The ethrex adapter's process; see adapters/CONTRACT.md, "Obligations as a process".

use std::process::ExitCode;

use ethrex_adapter::arguments::{self, Command};
use ethrex_adapter::{benchmark, description, log, server};

/// The system's allocator gives memory back between requests, and faults it in again at the next.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WRONG_ARGUMENTS: u8 = 2;

fn main() -> ExitCode {
    let outcome = match arguments::parse(std::env::args_os().skip(1)) {
        Some(Command::Describe) => Ok(Some(description::json_line())),
        Some(Command::Bench { file, runs }) => benchmark::run(&file, runs).map(Some),
        Some(Command::Serve { socket }) => server::serve(&socket).map(|()| None).map_err(|error| error.to_string()),
        None => {
            eprintln!("{}", arguments::USAGE);
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
        Err(error) => {
            log::event(format_args!("failed reason={error:?}"));
            ExitCode::FAILURE
        }
    }
}
