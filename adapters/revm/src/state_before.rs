//! The state before the block, as revm reads it: proven or listed, by the request's mode.

use std::fmt::{self, Debug, Formatter};

use alloy_primitives::{Address, B256, U256};
use revm::Database;
use revm::state::{AccountInfo, Bytecode};

use crate::environment::Failure;
use crate::prestate_database::PrestateDatabase;
use crate::witness_database::WitnessDatabase;

pub enum StateBefore {
    Proven(WitnessDatabase),
    Listed(PrestateDatabase),
}

impl StateBefore {
    /// What went wrong first, even where the client went on without it.
    pub fn first_failure(&self) -> Option<Failure> {
        match self {
            Self::Proven(database) => database.first_failure(),
            Self::Listed(database) => database.first_failure(),
        }
    }
}

/// revm asks for it; the state of a block is nothing to print.
impl Debug for StateBefore {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("StateBefore").field("first_failure", &self.first_failure()).finish_non_exhaustive()
    }
}

impl Database for StateBefore {
    type Error = Failure;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Failure> {
        match self {
            Self::Proven(database) => database.basic(address),
            Self::Listed(database) => database.basic(address),
        }
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, Failure> {
        match self {
            Self::Proven(database) => database.code_by_hash(code_hash),
            Self::Listed(database) => database.code_by_hash(code_hash),
        }
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Failure> {
        match self {
            Self::Proven(database) => database.storage(address, slot),
            Self::Listed(database) => database.storage(address, slot),
        }
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Failure> {
        match self {
            Self::Proven(database) => database.block_hash(number),
            Self::Listed(database) => database.block_hash(number),
        }
    }
}
