//! The client's state, as its execution reads it: proven by the witness's trie nodes, or as the prestate section lists it.
//!
//! What both have in common is here: the first miss is kept, because the client's errors lose what is missing on their
//! way through the EVM; a request that is over stops at its next read; codes and block hashes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use adapter_host::ancestry::Ancestry;
use adapter_host::hash::Hash;
use adapter_host::missing::Missing;
use adapter_host::rpc::PostAccount;
use adapter_host::witness_file::WitnessFile;
use bytes::Bytes;
use ethrex_common::constants::EMPTY_KECCAK_HASH;
use ethrex_common::types::{AccountState, AccountUpdate, ChainConfig, Code, CodeMetadata};
use ethrex_common::{Address, H256, U256};
use ethrex_crypto::keccak::keccak_hash;
use ethrex_vm::{EvmError, VmDatabase};

use crate::listed_state::ListedState;
use crate::proven_state::ProvenState;

/// Why the state could not be read or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    Missing(Missing),
    /// Neither a miss nor a broken rule: what the client said.
    Internal(String),
}

impl From<Missing> for Failure {
    fn from(missing: Missing) -> Self {
        Self::Missing(missing)
    }
}

/// Where accounts and slots come from.
pub enum Accounts {
    Proven(Box<ProvenState>),
    Listed(ListedState),
}

/// What a block left behind, in the terms of its mode.
pub enum After {
    StateRoot(H256),
    PostState(Vec<PostAccount>),
}

/// Handle to the state of one request; clones share it.
#[derive(Clone)]
pub struct Database(Arc<Shared>);

struct Shared {
    config: ChainConfig,
    ancestry: Ancestry,
    cancelled: Arc<AtomicBool>,
    state: Mutex<State>,
}

struct State {
    accounts: Accounts,
    codes: Codes,
    first_missing: Option<Missing>,
}

impl Database {
    /// Indexes the file's codes.
    pub fn new(
        file: Arc<WitnessFile>,
        config: ChainConfig,
        ancestry: Ancestry,
        accounts: Accounts,
        cancelled: Arc<AtomicBool>,
    ) -> Self {
        let state = Mutex::new(State { accounts, codes: Codes::new(file), first_missing: None });
        Self(Arc::new(Shared { config, ancestry, cancelled, state }))
    }

    /// The first thing that was asked for and is not in the witness, even where the client went on without it.
    pub fn first_missing(&self) -> Option<Missing> {
        self.state().first_missing.clone()
    }

    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Relaxed)
    }

    /// The state with the block's changes. Not to be read any more afterwards.
    pub fn apply(&self, updates: &[AccountUpdate]) -> Result<After, Failure> {
        let mut state = self.state();
        let after = match &mut state.accounts {
            Accounts::Proven(proven) => proven.apply(updates).map(After::StateRoot),
            Accounts::Listed(listed) => listed.post_state(updates).map(After::PostState),
        };
        state.noted(after)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reading(&self) -> Result<MutexGuard<'_, State>, EvmError> {
        if self.is_cancelled() { Err(EvmError::DB("the request is over".to_owned())) } else { Ok(self.state()) }
    }
}

impl State {
    fn noted<T>(&mut self, read: Result<T, Failure>) -> Result<T, Failure> {
        if let Err(Failure::Missing(missing)) = &read {
            self.first_missing.get_or_insert_with(|| missing.clone());
        }
        read
    }

    fn code(&mut self, hash: H256) -> Result<Code, EvmError> {
        let found = self.codes.get(hash).ok_or(Missing::Code { hash: Hash(hash.0) });
        self.noted(found.map_err(Failure::from)).map_err(database_error)
    }
}

impl VmDatabase for Database {
    fn get_account_state(&self, address: Address) -> Result<Option<AccountState>, EvmError> {
        let mut state = self.reading()?;
        let account = match &mut state.accounts {
            Accounts::Proven(proven) => proven.account(address),
            Accounts::Listed(listed) => listed.account(address),
        };
        state.noted(account).map_err(database_error)
    }

    fn get_storage_slot(&self, address: Address, key: H256) -> Result<Option<U256>, EvmError> {
        let mut state = self.reading()?;
        let value = match &mut state.accounts {
            Accounts::Proven(proven) => proven.slot(address, key),
            Accounts::Listed(listed) => listed.slot(address, key).map(Some),
        };
        state.noted(value).map_err(database_error)
    }

    fn get_block_hash(&self, block_number: u64) -> Result<H256, EvmError> {
        let mut state = self.reading()?;
        let hash = self.0.ancestry.hash(block_number).map(|hash| H256(hash.0));
        let hash = hash.ok_or(Failure::Missing(Missing::Ancestor { number: block_number }));
        state.noted(hash).map_err(database_error)
    }

    fn get_chain_config(&self) -> Result<ChainConfig, EvmError> {
        Ok(self.0.config)
    }

    fn get_account_code(&self, code_hash: H256) -> Result<Code, EvmError> {
        self.reading()?.code(code_hash)
    }

    fn get_code_metadata(&self, code_hash: H256) -> Result<CodeMetadata, EvmError> {
        let code = self.reading()?.code(code_hash)?;
        Ok(CodeMetadata { length: code.len() as u64 })
    }
}

/// The codes of the witness, by their own keccak-256; analysed where they are used.
struct Codes {
    file: Arc<WitnessFile>,
    numbers: HashMap<H256, usize>,
    analysed: HashMap<H256, Code>,
}

impl Codes {
    fn new(file: Arc<WitnessFile>) -> Self {
        let bytes = file.bytes();
        let hash = |number: usize| H256(keccak_hash(&bytes[file.codes[number].clone()]));
        let numbers = (0..file.codes.len()).map(|number| (hash(number), number)).collect();
        Self { file, numbers, analysed: HashMap::new() }
    }

    fn get(&mut self, hash: H256) -> Option<Code> {
        if hash == *EMPTY_KECCAK_HASH {
            return Some(Code::default());
        }
        if let Some(code) = self.analysed.get(&hash) {
            return Some(code.clone());
        }
        let place = self.file.codes[*self.numbers.get(&hash)?].clone();
        let code = Code::from_bytecode_unchecked(Bytes::copy_from_slice(&self.file.bytes()[place]), hash);
        self.analysed.insert(hash, code.clone());
        Some(code)
    }
}

fn database_error(failure: Failure) -> EvmError {
    EvmError::DB(match failure {
        Failure::Missing(missing) => missing.describe(),
        Failure::Internal(reason) => reason,
    })
}
