//! `--bench`: how long the client takes by its own shortest way, without an adapter's checks and without gRPC.

use std::path::Path;
use std::time::Instant;

use serde_json::json;

use crate::outcome::one_line;

/// One execution of a witness file by the client's shortest way, process-wide caches emptied. The error says why not.
pub type ShortestWay = fn(&Path) -> Result<(), Box<dyn std::error::Error>>;

const WARM_UP_RUNS: usize = 2;

/// Executes the witness file `runs` times; the result is the line to print. The error is one line.
pub fn run(path: &Path, runs: usize, shortest_way: ShortestWay) -> Result<String, String> {
    let mut milliseconds = Vec::with_capacity(runs);
    for number in 0..WARM_UP_RUNS + runs {
        let started = Instant::now();
        shortest_way(path).map_err(|error| one_line(&error.to_string()))?;
        if number >= WARM_UP_RUNS {
            milliseconds.push(started.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok(json!({ "runs_ms": milliseconds }).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_one_time_a_run() {
        let line = run(Path::new("/"), 3, |_| Ok(())).unwrap();
        let document: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(document["runs_ms"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn a_failure_is_one_line() {
        assert_eq!(run(Path::new("/"), 1, |_| Err("first\nsecond".into())), Err("first second".to_owned()));
    }
}
