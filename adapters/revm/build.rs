//! The client's version, out of the lock file.

#[path = "../rust-host/client_version.rs"]
mod client_version;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    client_version::set("revm")
}
