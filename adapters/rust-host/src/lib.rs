//! What every adapter in Rust shares, and no execution client has anything to do with.
//!
//! `process::run` makes a process of a `client::Client`: `arguments`, then `server`, where a request goes `service` →
//! `request` → `work` → `witness_file` → the client. What a client needs before it looks at the block is here too:
//! `binding` (block, file and request belong together), `chain_config` (the fork), `ancestry` (the headers). For
//! prestate mode: `prestate` (the state before the block) and `post_state` (what changed); for traces: `trace`. No rule
//! of the protocol, no EVM and no trie is here: an engine lineage keeps its own.

pub mod address;
pub mod ancestry;
pub mod arguments;
pub mod benchmark;
pub mod binding;
pub mod block_bytes;
pub mod chain_config;
pub mod client;
pub mod deadline;
pub mod description;
pub mod hash;
pub mod lifeline;
pub mod listener;
pub mod log;
pub mod missing;
pub mod node_form;
pub mod outcome;
pub mod post_state;
pub mod prestate;
pub mod process;
pub mod request;
pub mod rlp;
pub mod rpc;
pub mod server;
pub mod service;
#[cfg(feature = "testing")]
pub mod testing;
pub mod trace;
pub mod uploads;
pub mod witness_file;
pub mod word;
pub mod work;
