//! The ethrex adapter's process.

use std::process::ExitCode;

use ethrex_adapter::benchmark;
use ethrex_adapter::execution::Ethrex;

/// The system's allocator gives memory back between requests, and faults it in again at the next.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    adapter_host::process::run(Ethrex, benchmark::shortest_way)
}
