//! The client's state, as its execution reads it: its own `GuestProgramState`, filled from the witness on demand.
//!
//! Reads go to the client's code. What is added here: the first miss is kept with the hash of what is missing, because
//! the client's errors lose it on their way through the EVM; and a request that is over stops at its next read.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use adapter_host::ancestry::Ancestry;
use adapter_host::hash::Hash;
use adapter_host::missing::Missing;
use adapter_host::witness_file::WitnessFile;
use ethrex_common::types::block_execution_witness::{GuestProgramState, GuestProgramStateError};
use ethrex_common::types::{AccountState, AccountUpdate, BlockHeader, ChainConfig, Code, CodeMetadata};
use ethrex_common::{Address, H256, U256};
use ethrex_crypto::NativeCrypto;
use ethrex_crypto::keccak::keccak_hash;
use ethrex_trie::{EMPTY_TRIE_HASH, InconsistentTreeError, Trie, TrieError};
use ethrex_vm::{EvmError, VmDatabase};

use crate::node_index::NodeIndex;

/// Why the state could not be read or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    Missing(Missing),
    /// Neither a miss nor a broken rule: what the client said.
    Internal(String),
}

/// Handle to the state of one request; clones share it.
#[derive(Clone)]
pub struct WitnessDatabase(Arc<Shared>);

struct Shared {
    config: ChainConfig,
    ancestry: Ancestry,
    cancelled: Arc<AtomicBool>,
    state: Mutex<State>,
}

struct State {
    guest: GuestProgramState,
    file: Arc<WitnessFile>,
    nodes: NodeIndex,
    /// Numbers of the codes in the file, by their own keccak-256.
    codes: HashMap<H256, usize>,
    first_missing: Option<Missing>,
}

impl WitnessDatabase {
    /// Indexes the file's nodes and codes; Err where the root of the state trie is missing.
    ///
    /// parent: what the client is to take for the parent's header.
    pub fn new(
        file: Arc<WitnessFile>,
        config: ChainConfig,
        ancestry: Ancestry,
        parent: BlockHeader,
        pre_state_root: H256,
        cancelled: Arc<AtomicBool>,
    ) -> Result<Self, Missing> {
        let mut nodes = NodeIndex::new(Arc::clone(&file));
        let state_trie = nodes
            .trie(pre_state_root)
            .ok_or_else(|| missing_node(&nodes, pre_state_root, "root of the state trie".to_owned()))?;
        let place = |number: usize| &file.bytes()[file.codes[number].clone()];
        let codes = (0..file.codes.len()).map(|number| (H256(keccak_hash(place(number))), number)).collect();
        let guest = GuestProgramState {
            codes_hashed: BTreeMap::new(),
            block_headers: BTreeMap::new(), // block hashes are answered from `ancestry`
            state_trie,
            first_block_number: parent.number.saturating_add(1),
            parent_block_header: parent,
            chain_config: config,
            storage_tries: BTreeMap::new(),
            account_hashes_by_address: BTreeMap::new(),
            verified_storage_roots: BTreeMap::new(),
        };
        let state = Mutex::new(State { guest, file, nodes, codes, first_missing: None });
        Ok(Self(Arc::new(Shared { config, ancestry, cancelled, state })))
    }

    /// The first thing that was asked for and is not in the witness, even where the client went on without it.
    pub fn first_missing(&self) -> Option<Missing> {
        self.state().first_missing.clone()
    }

    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Relaxed)
    }

    /// Applies the block's changes and returns the new state root.
    pub fn apply(&self, updates: &[AccountUpdate]) -> Result<H256, Failure> {
        let mut state = self.state();
        for update in updates.iter().filter(|update| !update.removed) {
            if update.removed_storage {
                // The client would write to the trie that it has for the account, and that is the storage from before.
                state.guest.storage_tries.remove(&H256(keccak_hash(update.address.as_bytes())));
            } else if !update.added_storage.is_empty() {
                state.load_storage_trie(update.address, None)?;
            }
        }
        state.nodes.forget_tries();
        let applied = state.guest.apply_account_updates(updates, &NativeCrypto);
        let root = applied.and_then(|()| state.guest.state_trie_root(&NativeCrypto));
        root.map_err(|error| match &error {
            GuestProgramStateError::Trie(trie_error) => match not_found(trie_error) {
                Some(hash) => {
                    let location = "needed to compute the state root".to_owned();
                    state.note(Missing::Node { hash: Hash(hash.0), location })
                }
                None => Failure::Internal(error.to_string()),
            },
            _ => Failure::Internal(error.to_string()),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reading(&self) -> Result<MutexGuard<'_, State>, EvmError> {
        if self.is_cancelled() { Err(EvmError::DB("the request is over".to_owned())) } else { Ok(self.state()) }
    }
}

impl State {
    fn note(&mut self, missing: Missing) -> Failure {
        self.first_missing.get_or_insert_with(|| missing.clone());
        Failure::Missing(missing)
    }

    fn account(&mut self, address: Address) -> Result<Option<AccountState>, Failure> {
        self.guest.get_account_state(address, &NativeCrypto).map_err(|error| {
            let key = keccak_hash(address.as_bytes());
            let location = format!("account {address:#x}");
            let missing = failed_read(&self.guest.state_trie, &key, &self.nodes, location);
            missing.map_or_else(|| Failure::Internal(error.to_string()), |missing| self.note(missing))
        })
    }

    /// Has the account's storage trie put together, if it has one and the client has not got it yet.
    fn load_storage_trie(&mut self, address: Address, slot: Option<H256>) -> Result<(), Failure> {
        let key = H256(keccak_hash(address.as_bytes()));
        if self.guest.storage_tries.contains_key(&key) {
            return Ok(());
        }
        let root = self.account(address)?.map_or(EMPTY_TRIE_HASH, |account| account.storage_root);
        if root == EMPTY_TRIE_HASH {
            return Ok(());
        }
        match self.nodes.trie(root) {
            Some(trie) => {
                self.guest.storage_tries.insert(key, trie);
                Ok(())
            }
            None => {
                let location = format!("storage root of account {address:#x}{}", describe_slot(slot));
                let missing = missing_node(&self.nodes, root, location);
                Err(self.note(missing))
            }
        }
    }

    fn storage(&mut self, address: Address, slot: H256) -> Result<Option<U256>, Failure> {
        self.load_storage_trie(address, Some(slot))?;
        self.guest.get_storage_slot(address, slot, &NativeCrypto).map_err(|error| {
            let location = format!("account {address:#x}{}", describe_slot(Some(slot)));
            let trie = self.guest.storage_tries.get(&H256(keccak_hash(address.as_bytes())));
            let missing = trie.and_then(|trie| failed_read(trie, &keccak_hash(slot.as_bytes()), &self.nodes, location));
            missing.map_or_else(|| Failure::Internal(error.to_string()), |missing| self.note(missing))
        })
    }

    fn load_code(&mut self, hash: H256) {
        if !self.guest.codes_hashed.contains_key(&hash)
            && let Some(&number) = self.codes.get(&hash)
        {
            let code = bytes::Bytes::copy_from_slice(&self.file.bytes()[self.file.codes[number].clone()]);
            self.guest.codes_hashed.insert(hash, Code::from_bytecode_unchecked(code, hash));
        }
    }

    fn code_error(&mut self, hash: H256, error: &GuestProgramStateError) -> EvmError {
        if let GuestProgramStateError::MissingBytecode(_) = error {
            self.note(Missing::Code { hash: Hash(hash.0) });
        }
        EvmError::DB(error.to_string())
    }
}

impl VmDatabase for WitnessDatabase {
    fn get_account_state(&self, address: Address) -> Result<Option<AccountState>, EvmError> {
        self.reading()?.account(address).map_err(database_error)
    }

    fn get_storage_slot(&self, address: Address, key: H256) -> Result<Option<U256>, EvmError> {
        self.reading()?.storage(address, key).map_err(database_error)
    }

    fn get_block_hash(&self, block_number: u64) -> Result<H256, EvmError> {
        let mut state = self.reading()?;
        self.0
            .ancestry
            .hash(block_number)
            .map(|hash| H256(hash.0))
            .ok_or_else(|| database_error(state.note(Missing::Ancestor { number: block_number })))
    }

    fn get_chain_config(&self) -> Result<ChainConfig, EvmError> {
        Ok(self.0.config)
    }

    fn get_account_code(&self, code_hash: H256) -> Result<Code, EvmError> {
        let mut state = self.reading()?;
        state.load_code(code_hash);
        state.guest.get_account_code(code_hash).map_err(|error| state.code_error(code_hash, &error))
    }

    fn get_code_metadata(&self, code_hash: H256) -> Result<CodeMetadata, EvmError> {
        let mut state = self.reading()?;
        state.load_code(code_hash);
        state.guest.get_code_metadata(code_hash).map_err(|error| state.code_error(code_hash, &error))
    }
}

fn database_error(failure: Failure) -> EvmError {
    EvmError::DB(match failure {
        Failure::Missing(missing) => missing.describe(),
        Failure::Internal(reason) => reason,
    })
}

fn describe_slot(slot: Option<H256>) -> String {
    slot.map_or_else(String::new, |slot| format!(" slot {slot:#x}"))
}

/// What a read of `key` that failed did not find: a node on the way, or a value at its end that is none.
fn failed_read(trie: &Trie, key: &[u8], nodes: &NodeIndex, location: String) -> Option<Missing> {
    match trie.get(key) {
        Err(error) => Some(missing_node(nodes, not_found(&error)?, location)),
        Ok(_) => {
            let leaf = trie.get_proof(key).ok()?.pop()?;
            Some(Missing::Node {
                hash: Hash(keccak_hash(leaf)),
                location: format!("{location}: its value is not well-formed"),
            })
        }
    }
}

fn missing_node(nodes: &NodeIndex, hash: H256, location: String) -> Missing {
    let location = if nodes.contains(hash) {
        format!("{location}: the witness has it, but it is not a well-formed trie node there")
    } else {
        location
    };
    Missing::Node { hash: Hash(hash.0), location }
}

/// The node that a trie operation did not find; None for errors of another kind.
fn not_found(error: &TrieError) -> Option<H256> {
    let TrieError::InconsistentTree(error) = error else { return None };
    match error.as_ref() {
        InconsistentTreeError::NodeNotFoundOnBranchNode(hash, ..) | InconsistentTreeError::RootNotFound(hash) => {
            Some(*hash)
        }
        InconsistentTreeError::ExtensionNodeChildNotFound(data)
        | InconsistentTreeError::ExtensionNodeChildDiffers(data) => Some(data.node_hash),
        InconsistentTreeError::RootNotFoundNoHash => None,
    }
}
