//! The state as the witness's trie nodes prove it: the client's own `GuestProgramState`, filled on demand.
//!
//! Reads go to the client's code. What is added here: a miss is told with the hash of what is missing.

use std::collections::BTreeMap;
use std::sync::Arc;

use adapter_host::hash::Hash;
use adapter_host::missing::Missing;
use adapter_host::witness_file::WitnessFile;
use ethrex_common::types::block_execution_witness::{GuestProgramState, GuestProgramStateError};
use ethrex_common::types::{AccountState, AccountUpdate, BlockHeader, ChainConfig};
use ethrex_common::{Address, H256, U256};
use ethrex_crypto::NativeCrypto;
use ethrex_crypto::keccak::keccak_hash;
use ethrex_trie::{EMPTY_TRIE_HASH, InconsistentTreeError, Trie, TrieError};

use crate::database::Failure;
use crate::node_index::NodeIndex;

pub struct ProvenState {
    guest: GuestProgramState,
    nodes: NodeIndex,
}

impl ProvenState {
    /// Indexes the file's nodes; Err where the root of the state trie is missing.
    ///
    /// parent: what the client is to take for the parent's header.
    pub fn new(
        file: Arc<WitnessFile>,
        config: ChainConfig,
        parent: BlockHeader,
        pre_state_root: H256,
    ) -> Result<Self, Missing> {
        let mut nodes = NodeIndex::new(file);
        let state_trie = nodes
            .trie(pre_state_root)
            .ok_or_else(|| missing_node(&nodes, pre_state_root, "root of the state trie".to_owned()))?;
        let guest = GuestProgramState {
            codes_hashed: BTreeMap::new(),  // codes are answered from the database's own
            block_headers: BTreeMap::new(), // and block hashes from its ancestry
            state_trie,
            first_block_number: parent.number.saturating_add(1),
            parent_block_header: parent,
            chain_config: config,
            storage_tries: BTreeMap::new(),
            account_hashes_by_address: BTreeMap::new(),
            verified_storage_roots: BTreeMap::new(),
        };
        Ok(Self { guest, nodes })
    }

    /// Applies the block's changes and returns the new state root.
    pub fn apply(&mut self, updates: &[AccountUpdate]) -> Result<H256, Failure> {
        for update in updates.iter().filter(|update| !update.removed) {
            if update.removed_storage {
                // The client would write to the trie that it has for the account, and that is the storage from before.
                self.guest.storage_tries.remove(&H256(keccak_hash(update.address.as_bytes())));
            } else if !update.added_storage.is_empty() {
                self.load_storage_trie(update.address, None)?;
            }
        }
        self.nodes.forget_tries();
        let applied = self.guest.apply_account_updates(updates, &NativeCrypto);
        let root = applied.and_then(|()| self.guest.state_trie_root(&NativeCrypto));
        root.map_err(|error| match &error {
            GuestProgramStateError::Trie(trie_error) => match not_found(trie_error) {
                Some(hash) => {
                    let location = "needed to compute the state root".to_owned();
                    Failure::Missing(Missing::Node { hash: Hash(hash.0), location })
                }
                None => Failure::Internal(error.to_string()),
            },
            _ => Failure::Internal(error.to_string()),
        })
    }

    pub fn account(&mut self, address: Address) -> Result<Option<AccountState>, Failure> {
        self.guest.get_account_state(address, &NativeCrypto).map_err(|error| {
            let key = keccak_hash(address.as_bytes());
            let location = format!("account {address:#x}");
            let missing = failed_read(&self.guest.state_trie, &key, &self.nodes, location);
            missing.map_or_else(|| Failure::Internal(error.to_string()), Failure::Missing)
        })
    }

    pub fn slot(&mut self, address: Address, slot: H256) -> Result<Option<U256>, Failure> {
        self.load_storage_trie(address, Some(slot))?;
        self.guest.get_storage_slot(address, slot, &NativeCrypto).map_err(|error| {
            let location = format!("account {address:#x}{}", describe_slot(Some(slot)));
            let trie = self.guest.storage_tries.get(&H256(keccak_hash(address.as_bytes())));
            let missing = trie.and_then(|trie| failed_read(trie, &keccak_hash(slot.as_bytes()), &self.nodes, location));
            missing.map_or_else(|| Failure::Internal(error.to_string()), Failure::Missing)
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
                Err(Failure::Missing(missing_node(&self.nodes, root, location)))
            }
        }
    }
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
