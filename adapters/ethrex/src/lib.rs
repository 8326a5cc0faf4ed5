//! The ethrex adapter: executes one block on its witness with ethrex and reports what it computed.
//!
//! A request goes `server` → `witness_file` → `execution`, which binds the block (`block_bytes`, `chain_config`,
//! `ancestry`), checks the client's `rules`, and lets the client run on `witness_database`.

pub mod ancestry;
pub mod arguments;
pub mod benchmark;
pub mod block_bytes;
pub mod chain_config;
pub mod deadline;
pub mod description;
pub mod execution;
pub mod lifeline;
pub mod log;
pub mod missing;
pub mod node_form;
pub mod node_index;
pub mod rlp;
pub mod rpc;
pub mod rules;
pub mod server;
pub mod service;
pub mod warm_up;
pub mod witness_database;
pub mod witness_file;
