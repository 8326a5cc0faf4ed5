//! The state before the block in proof mode: out of partial tries, each read proven by the witness's nodes.

use std::sync::Arc;

use adapter_host::hash::Hash;
use adapter_host::missing::Missing;
use adapter_host::witness_file::WitnessFile;
use alloy_primitives::map::AddressMap;
use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_rlp::{Decodable, Encodable};
use alloy_trie::{EMPTY_ROOT_HASH, TrieAccount};
use revm::Database;
use revm::state::{AccountInfo, Bytecode};

use crate::environment::{Environment, Failure};
use crate::node_index::NodeIndex;
use crate::trie::{MissingNode, Proven, Trie};

pub struct WitnessDatabase {
    environment: Environment,
    nodes: NodeIndex,
    state: Trie,
    /// Of the accounts that were asked for their storage.
    storages: AddressMap<Trie>,
}

impl WitnessDatabase {
    /// Hashes the file's nodes.
    pub fn new(file: Arc<WitnessFile>, pre_state_root: B256, environment: Environment) -> Self {
        let (nodes, state) = (NodeIndex::new(file), Trie::new(pre_state_root));
        Self { environment, nodes, state, storages: AddressMap::default() }
    }

    /// What went wrong first, even where the client went on without it.
    pub fn first_failure(&self) -> Option<Failure> {
        self.environment.first_failure()
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

    fn missing_node(&mut self, MissingNode(hash): MissingNode, place: impl FnOnce() -> String) -> Failure {
        let mut location = place();
        if self.nodes.contains(hash) {
            location += ": the witness has it, but it is not a well-formed trie node there";
        }
        self.environment.note(Failure::Missing(Missing::Node { hash: Hash(hash.0), location }))
    }

    fn malformed_value(&mut self, node: B256, place: impl FnOnce() -> String) -> Failure {
        let location = format!("{}: its value is not well-formed", place());
        self.environment.note(Failure::Missing(Missing::Node { hash: Hash(node.0), location }))
    }
}

impl Database for WitnessDatabase {
    type Error = Failure;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Failure> {
        self.environment.check_wanted()?;
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
        self.environment.code_by_hash(code_hash)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Failure> {
        self.environment.check_wanted()?;
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
        self.environment.block_hash(number)
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
