//! For the tests of adapters: witness files written independently of their reader, adapters as processes, and what all
//! of them owe.

pub mod certificates;
pub mod file;
pub mod listener_contract;
pub mod prestate;
pub mod process;
pub mod process_contract;
pub mod rlp;
pub mod scene;
pub mod witness_contract;
