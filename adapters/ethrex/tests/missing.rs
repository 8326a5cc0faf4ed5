//! What is told where something is missing, by the contract of all adapters in Rust.

mod support;

use support::Scene;

adapter_host::witness_contract!(Scene);
