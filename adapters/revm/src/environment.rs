//! What the state is read with, whether proven or listed: codes, block hashes, and the first failure.
//!
//! The first thing that is missing is kept: revm's errors lose it on their way, and some of its callers go on as if
//! nothing had been asked for. A request that is over stops at its next read.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use adapter_host::ancestry::Ancestry;
use adapter_host::hash::Hash;
use adapter_host::missing::Missing;
use adapter_host::witness_file::WitnessFile;
use alloy_primitives::map::B256Map;
use alloy_primitives::{B256, Bytes, KECCAK256_EMPTY, keccak256};
use revm::context::DBErrorMarker;
use revm::state::Bytecode;

use crate::fork::Fork;

/// Why the state could not be read or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    Missing(Missing),
    /// Nobody waits for an answer any more.
    Cancelled,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(missing) => formatter.write_str(&missing.describe()),
            Self::Cancelled => formatter.write_str("the request is over"),
        }
    }
}

impl std::error::Error for Failure {}
impl DBErrorMarker for Failure {}

pub struct Environment {
    file: Arc<WitnessFile>,
    codes: B256Map<Range<usize>>,
    ancestry: Ancestry,
    /// Whether the block's fork has EIP-7702.
    has_delegations: bool,
    cancelled: Arc<AtomicBool>,
    first_failure: Option<Failure>,
}

impl Environment {
    /// Hashes the file's codes.
    pub fn new(file: Arc<WitnessFile>, ancestry: Ancestry, fork: Fork, cancelled: Arc<AtomicBool>) -> Self {
        let bytes = file.bytes();
        let codes = file.codes.iter().map(|place| (keccak256(&bytes[place.clone()]), place.clone())).collect();
        Self { codes, ancestry, has_delegations: fork >= Fork::Prague, cancelled, first_failure: None, file }
    }

    /// What went wrong first, even where the client went on without it.
    pub fn first_failure(&self) -> Option<Failure> {
        self.first_failure.clone()
    }

    pub fn note(&mut self, failure: Failure) -> Failure {
        self.first_failure.get_or_insert_with(|| failure.clone());
        failure
    }

    /// To be asked at every read.
    pub fn check_wanted(&mut self) -> Result<(), Failure> {
        if self.cancelled.load(Ordering::Relaxed) { Err(self.note(Failure::Cancelled)) } else { Ok(()) }
    }

    pub fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, Failure> {
        self.check_wanted()?;
        if code_hash == KECCAK256_EMPTY {
            return Ok(Bytecode::default());
        }
        match self.codes.get(&code_hash) {
            Some(place) => Ok(self.bytecode(&self.file.bytes()[place.clone()])),
            None => Err(self.note(Failure::Missing(Missing::Code { hash: Hash(code_hash.0) }))),
        }
    }

    pub fn block_hash(&mut self, number: u64) -> Result<B256, Failure> {
        self.check_wanted()?;
        match self.ancestry.hash(number) {
            Some(hash) => Ok(B256::from(hash.0)),
            None => Err(self.note(Failure::Missing(Missing::Ancestor { number }))),
        }
    }

    fn bytecode(&self, code: &[u8]) -> Bytecode {
        let code = Bytes::copy_from_slice(code);
        // Bytes that start like a delegation were mere code before there were any, and still are if they are none.
        let delegation = if self.has_delegations { Bytecode::new_raw_checked(code.clone()).ok() } else { None };
        delegation.unwrap_or_else(|| Bytecode::new_legacy(code))
    }
}
