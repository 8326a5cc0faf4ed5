//! The revm adapter: executes one block on its witness with revm and reports what it computed.
//!
//! `adapter_host` makes a process of it. A request goes to `execution`, which binds the block (the host's `binding`,
//! `chain`), decodes it (`block`), checks the rules that revm leaves to its caller (`header_rules`, `body_rules`), and
//! lets revm `run` on `state_before`. In proof mode that is `witness_database`: accounts and slots out of partial tries
//! (`trie`, `node`, `node_index`), which take the block's changes afterwards (`post_state`). In prestate mode it is
//! `prestate_database`: what the file lists. Both have codes and block hashes from `environment`. A `tracer` makes steps
//! of what revm executes.

pub mod benchmark;
pub mod blob_schedule;
pub mod block;
pub mod body_rules;
pub mod chain;
pub mod description;
pub mod difficulty;
pub mod environment;
pub mod execution;
pub mod fork;
pub mod header_rules;
pub mod node;
pub mod node_index;
pub mod post_state;
pub mod prestate_database;
pub mod receipts;
pub mod run;
pub mod state_before;
pub mod tracer;
pub mod trie;
pub mod uncle_rules;
pub mod warm_up;
pub mod witness_database;
