//! Compiles the adapter contract to Rust. `protox` stands in for `protoc`, so that nothing has to be installed.

use std::error::Error;

const PROTO_ROOT: &str = "../../proto";
const CONTRACT: &str = "verifier/rpc/v1/executor.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={PROTO_ROOT}/{CONTRACT}");
    let descriptors = protox::compile([CONTRACT], [PROTO_ROOT])?;
    // `bytes` fields as reference-counted buffers: a witness sent in the request is not copied.
    tonic_prost_build::configure().bytes(".").compile_fds(descriptors)?;
    Ok(())
}
