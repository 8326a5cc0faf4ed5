//! For the tests of adapters: witness files written independently of their reader, and adapters as processes.

pub mod file;
pub mod process;
pub mod rlp;
