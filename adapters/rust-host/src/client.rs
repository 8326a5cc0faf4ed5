//! The seam between this host and one execution client.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;

use crate::hash::Hash;
use crate::outcome::{Stop, refuse};
use crate::rpc::{Computed, DescribeResponse, Mode};
use crate::trace::Trace;
use crate::witness_file::WitnessFile;

/// What a request asks, besides the file.
#[derive(Clone, Debug)]
pub struct Question {
    pub block_hash: Hash,
    pub pre_state_root: Hash,
    /// Proof or prestate, one of those that `Client::describe` lists.
    pub mode: Mode,
    /// Instead of the file's own, where not empty.
    pub chain_config: Bytes,
    pub parent_header_optional: bool,
    /// By number: what the verifier knows of its own chain, for BLOCKHASH where the witness has no header.
    pub ancestor_hashes: HashMap<u64, Hash>,
}

/// How long the parts took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    pub decode: Duration,
    pub execute: Duration,
    pub root: Duration,
}

/// One execution client. Its calls may panic: the service contains that.
pub trait Client: Send + Sync + 'static {
    /// What an execution leaves behind and takes time to drop: dropped after the answer is on its way.
    type Leftover;

    /// The answer to Describe. Called before the client is warm.
    fn describe(&self) -> DescribeResponse;

    /// Start-up work that would otherwise fall into the first request. Returns whether the client works.
    fn warm_up(&self) -> bool;

    /// Executes the block of `file`; to be ended early where `cancelled` is raised, as far as the client can be stopped.
    ///
    /// In prestate mode the state is `prestate::Prestate::of(&file)` and nothing else, asked for once the block is bound;
    /// `state_root` stays empty, and `post_state::PostState` makes the messages of what changed.
    fn execute(
        &self,
        file: Arc<WitnessFile>,
        question: &Question,
        cancelled: Arc<AtomicBool>,
        spent: &mut Spent,
    ) -> (Result<Computed, Stop>, Option<Self::Leftover>);

    /// Executes the block as `execute` does, with the same result, and puts what its transactions do into `trace`. Asked
    /// for only where `describe` says that the client traces. Where `trace` says that it is over, the client stops.
    fn trace(
        &self,
        file: Arc<WitnessFile>,
        question: &Question,
        cancelled: Arc<AtomicBool>,
        spent: &mut Spent,
        trace: &mut Trace,
    ) -> (Result<Computed, Stop>, Option<Self::Leftover>) {
        let _ = (file, question, cancelled, spent, trace);
        (Err(refuse("this client does not trace")), None)
    }
}
