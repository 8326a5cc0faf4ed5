//! Part of the adapters' build scripts: most clients do not say their version in code; the lock file does.

use std::error::Error;
use std::fs;

const LOCK_FILE: &str = "../Cargo.lock";

/// Hands the version of `package` in the lock file to the crate, as the environment variable CLIENT_VERSION.
pub fn set(package: &str) -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={LOCK_FILE}");
    println!("cargo:rustc-env=CLIENT_VERSION={}", find(&fs::read_to_string(LOCK_FILE)?, package)?);
    Ok(())
}

fn find<'a>(lock: &'a str, package: &str) -> Result<&'a str, Box<dyn Error>> {
    let name = format!("name = \"{package}\"");
    let after_name = lock.lines().skip_while(|line| *line != name).nth(1);
    let version = after_name.and_then(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
    Ok(version.ok_or_else(|| format!("Cargo.lock names no version of {package}"))?)
}
