//! Compiles the adapter contract to Rust. `protox` stands in for `protoc`, so that nothing has to be installed.

use std::error::Error;
use std::fs;

const PROTO_ROOT: &str = "../../proto";
const CONTRACT: &str = "verifier/rpc/v1/executor.proto";
const LOCK_FILE: &str = "Cargo.lock";
const CLIENT: &str = "name = \"ethrex-vm\"";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={PROTO_ROOT}/{CONTRACT}");
    println!("cargo:rerun-if-changed={LOCK_FILE}");
    println!("cargo:rustc-env=ETHREX_VERSION={}", client_version(&fs::read_to_string(LOCK_FILE)?)?);
    let descriptors = protox::compile([CONTRACT], [PROTO_ROOT])?;
    // `bytes` fields as reference-counted buffers: a witness sent in the request is not copied.
    tonic_prost_build::configure().bytes(".").compile_fds(descriptors)?;
    Ok(())
}

/// The client's crates do not say their version in code; the lock file does.
fn client_version(lock: &str) -> Result<&str, Box<dyn Error>> {
    let after_name = lock.lines().skip_while(|line| *line != CLIENT).nth(1);
    let version = after_name.and_then(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
    Ok(version.ok_or("Cargo.lock names no version of ethrex-vm")?)
}
