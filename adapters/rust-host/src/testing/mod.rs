//! For the tests of adapters: witness files written independently of their reader, and adapters as processes, and the contract for them.

pub mod certificates;
pub mod file;
pub mod listener_contract;
pub mod prestate;
pub mod process;
pub mod process_contract;
pub mod rlp;
