//! The ethrex adapter: executes one block on its witness with ethrex and reports what it computed.
//!
//! `adapter_host` makes a process of it. A request goes to `execution`, which binds the block (the host's `binding`,
//! `chain_config`, `parent`), checks the client's `rules`, and lets the client run on `witness_database`.

pub mod benchmark;
pub mod chain_config;
pub mod description;
pub mod execution;
pub mod node_index;
pub mod parent;
pub mod rules;
pub mod warm_up;
pub mod witness_database;
