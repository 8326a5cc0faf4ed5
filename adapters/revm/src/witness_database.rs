//! The state before the block, as revm reads it: out of partial tries, each read proven by the witness's nodes.
//!
//! The first thing that is missing is kept with its hash: revm's errors lose it on their way, and some of its callers
//! go on as if nothing had been asked for. A request that is over stops at its next read.

use std::fmt::{self, Debug, Formatter};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use adapter_host::ancestry::Ancestry;
use adapter_host::hash::Hash;
use adapter_host::missing::Missing;
use adapter_host::witness_file::WitnessFile;
use alloy_primitives::map::{AddressMap, B256Map};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_rlp::{Decodable, Encodable};
use alloy_trie::{EMPTY_ROOT_HASH, TrieAccount};
use revm::Database;
use revm::context::DBErrorMarker;
use revm::state::{AccountInfo, Bytecode};

use crate::fork::Fork;
use crate::node_index::NodeIndex;
use crate::trie::{MissingNode, Proven, Trie};

/// Why the state could not be read or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    Missing(Missing),
    /// Nobody waits for an answer any more.
    Cancelled,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(missing) => formatter.write_str(&missing.describe()),
            Self::Cancelled => formatter.write_str("the request is over"),
        }
    }
}

impl std::error::Error for Failure {}
impl DBErrorMarker for Failure {}

pub struct WitnessDatabase {
    file: Arc<WitnessFile>,
    nodes: NodeIndex,
    codes: B256Map<Range<usize>>,
    ancestry: Ancestry,
    /// Whether the block's fork has EIP-7702.
    has_delegations: bool,
    cancelled: Arc<AtomicBool>,
    state: Trie,
    /// Of the accounts that were asked for their storage.
    storages: AddressMap<Trie>,
    first_failure: Option<Failure>,
}

/// revm asks for it; the state of a block is nothing to print.
impl Debug for WitnessDatabase {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("WitnessDatabase").field("first_failure", &self.first_failure).finish_non_exhaustive()
    }
}

impl WitnessDatabase {
    /// Hashes the file's nodes and codes.
    pub fn new(
        file: Arc<WitnessFile>,
        ancestry: Ancestry,
        pre_state_root: B256,
        fork: Fork,
        cancelled: Arc<AtomicBool>,
    ) -> Self {
        let bytes = file.bytes();
        let codes = file.codes.iter().map(|place| (keccak256(&bytes[place.clone()]), place.clone())).collect();
        Self {
            nodes: NodeIndex::new(Arc::clone(&file)),
            codes,
            ancestry,
            has_delegations: fork >= Fork::Prague,
            cancelled,
            state: Trie::new(pre_state_root),
            storages: AddressMap::default(),
            first_failure: None,
            file,
        }
    }

    /// What went wrong first, even where the client went on without it.
    pub fn first_failure(&self) -> Option<Failure> {
        self.first_failure.clone()
    }

    /// Sets an account; None: it is no more.
    pub fn set_account(&mut self, address: Address, account: Option<TrieAccount>) -> Result<(), Failure> {
        let key = keccak256(address);
        let changed = match account {
            Some(account) => {
                let mut encoded = Vec::with_capacity(account.length());
                account.encode(&mut encoded);
                self.state.put(&self.nodes, &key, encoded)
            }
            None => self.state.remove(&self.nodes, &key),
        };
        changed.map_err(|missing| self.missing_node(missing, || format!("{} for the state root", account_at(address))))
    }

    /// Sets slots of an account, 0 meaning none, and returns the root of its storage. is_new: its storage was empty
    /// before, whatever the witness has.
    pub fn set_storage(
        &mut self,
        address: Address,
        is_new: bool,
        slots: impl Iterator<Item = (U256, U256)>,
    ) -> Result<B256, Failure> {
        if is_new {
            self.storages.insert(address, Trie::new(EMPTY_ROOT_HASH));
        } else {
            self.load_storage(address)?;
        }
        let Some(mut storage) = self.storages.remove(&address) else { return Ok(EMPTY_ROOT_HASH) };
        let mut removed = Vec::new();
        for (slot, value) in slots {
            let key = keccak256(slot.to_be_bytes::<32>());
            if value.is_zero() {
                removed.push((slot, key));
                continue;
            }
            let put = storage.put(&self.nodes, &key, alloy_rlp::encode(value));
            put.map_err(|missing| self.missing_node(missing, || slot_for_root(address, slot)))?;
        }
        for (slot, key) in removed {
            let removed = storage.remove(&self.nodes, &key);
            removed.map_err(|missing| self.missing_node(missing, || slot_for_root(address, slot)))?;
        }
        let root = storage.root();
        self.storages.insert(address, storage);
        Ok(root)
    }

    pub fn state_root(&mut self) -> B256 {
        self.state.root()
    }

    /// The account as the trie has it.
    pub fn account(&mut self, address: Address) -> Result<Option<TrieAccount>, Failure> {
        let place = || account_at(address);
        let found = match self.state.get(&self.nodes, &keccak256(address)) {
            Ok(found) => found.map(|proven| decode_exactly::<TrieAccount>(proven)),
            Err(missing) => return Err(self.missing_node(missing, place)),
        };
        found.transpose().map_err(|node| self.malformed_value(node, place))
    }

    fn load_storage(&mut self, address: Address) -> Result<(), Failure> {
        if !self.storages.contains_key(&address) {
            let root = self.account(address)?.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
            self.storages.insert(address, Trie::new(root));
        }
        Ok(())
    }

    fn check_wanted(&mut self) -> Result<(), Failure> {
        if self.cancelled.load(Ordering::Relaxed) { Err(self.note(Failure::Cancelled)) } else { Ok(()) }
    }

    fn bytecode(&self, code: &[u8]) -> Bytecode {
        let code = Bytes::copy_from_slice(code);
        // Bytes that start like a delegation were mere code before there were any, and still are if they are none.
        let delegation = if self.has_delegations { Bytecode::new_raw_checked(code.clone()).ok() } else { None };
        delegation.unwrap_or_else(|| Bytecode::new_legacy(code))
    }

    fn note(&mut self, failure: Failure) -> Failure {
        self.first_failure.get_or_insert_with(|| failure.clone());
        failure
    }

    fn missing_node(&mut self, MissingNode(hash): MissingNode, place: impl FnOnce() -> String) -> Failure {
        let mut location = place();
        if self.nodes.contains(hash) {
            location += ": the witness has it, but it is not a well-formed trie node there";
        }
        self.note(Failure::Missing(Missing::Node { hash: Hash(hash.0), location }))
    }

    fn malformed_value(&mut self, node: B256, place: impl FnOnce() -> String) -> Failure {
        let location = format!("{}: its value is not well-formed", place());
        self.note(Failure::Missing(Missing::Node { hash: Hash(node.0), location }))
    }
}

impl Database for WitnessDatabase {
    type Error = Failure;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Failure> {
        self.check_wanted()?;
        let account = self.account(address)?;
        Ok(account.map(|account| AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.code_hash,
            code: None,
            account_id: None,
        }))
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, Failure> {
        self.check_wanted()?;
        if code_hash == KECCAK256_EMPTY {
            return Ok(Bytecode::default());
        }
        match self.codes.get(&code_hash) {
            Some(place) => Ok(self.bytecode(&self.file.bytes()[place.clone()])),
            None => Err(self.note(Failure::Missing(Missing::Code { hash: Hash(code_hash.0) }))),
        }
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Failure> {
        self.check_wanted()?;
        self.load_storage(address)?;
        let place = || format!("{} slot {:#x}", account_at(address), B256::from(slot));
        let Some(storage) = self.storages.get_mut(&address) else { return Ok(U256::ZERO) };
        let found = match storage.get(&self.nodes, &keccak256(slot.to_be_bytes::<32>())) {
            Ok(found) => found.map(|proven| decode_exactly::<U256>(proven)),
            Err(missing) => return Err(self.missing_node(missing, place)),
        };
        match found.transpose() {
            Ok(value) => Ok(value.unwrap_or_default()),
            Err(node) => Err(self.malformed_value(node, place)),
        }
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Failure> {
        self.check_wanted()?;
        match self.ancestry.hash(number) {
            Some(hash) => Ok(B256::from(hash.0)),
            None => Err(self.note(Failure::Missing(Missing::Ancestor { number }))),
        }
    }
}

/// A value that is the canonical encoding of something; Err with the node that holds it where it is not.
fn decode_exactly<T: Decodable + Encodable>(proven: Proven<'_>) -> Result<T, B256> {
    let mut rest = proven.value;
    match T::decode(&mut rest) {
        Ok(value) if rest.is_empty() && alloy_rlp::encode(&value) == proven.value => Ok(value),
        _ => Err(proven.node),
    }
}

fn account_at(address: Address) -> String {
    format!("account {address:#x}")
}

fn slot_for_root(address: Address, slot: U256) -> String {
    format!("{} slot {:#x} for the state root", account_at(address), B256::from(slot))
}
