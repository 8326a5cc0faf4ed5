//! The ethrex adapter: executes one block on its witness with ethrex and reports what it computed.
//!
//! `adapter_host` makes a process of it. A request goes to `execution`, which binds the block (the host's `binding`,
//! `chain_config`, `parent`), checks the client's `rules`, and lets the client run on a `database`: either a `proven_state`
//! or a `listed_state`. To `trace` it, the `transactions` are also executed one by one, by `stepping`.

pub mod benchmark;
pub mod chain_config;
pub mod database;
pub mod description;
pub mod execution;
pub mod instruction_table;
pub mod listed_state;
pub mod node_index;
pub mod parent;
pub mod proven_state;
pub mod rules;
pub mod stepping;
pub mod trace;
pub mod transactions;
pub mod warm_up;
