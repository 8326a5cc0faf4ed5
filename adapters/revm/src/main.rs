//! The revm adapter's process.

use std::process::ExitCode;

use revm_adapter::benchmark;
use revm_adapter::execution::Revm;

/// The system's allocator gives memory back between requests, and faults it in again at the next.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    adapter_host::process::run(Revm, benchmark::shortest_way)
}
