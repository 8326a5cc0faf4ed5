//! The state after the block: what revm changed, put into the tries, or told in values.

use adapter_host::address;
use adapter_host::hash::Hash;
use adapter_host::missing::Missing;
use adapter_host::post_state::{After, PostState};
use adapter_host::prestate::Prestate;
use adapter_host::rpc::PostAccount;
use adapter_host::word::Word;
use alloy_primitives::{Address, B256};
use alloy_trie::{EMPTY_ROOT_HASH, TrieAccount};
use revm::database::{BundleAccount, BundleState};

use crate::environment::Failure;
use crate::witness_database::WitnessDatabase;

/// Applies the changes and returns the state root.
///
/// Accounts that are no more go last: with all others in place, no branch seems emptier than it will be, so that no
/// node is asked for that the result does not need.
pub fn apply(changes: &BundleState, database: &mut WitnessDatabase) -> Result<B256, Failure> {
    let mut removed = Vec::new();
    for (address, account) in &changes.state {
        match &account.info {
            Some(_) => put(*address, account, database)?,
            None if account.original_info.is_some() => removed.push(*address),
            None => {} // made and gone within the block
        }
    }
    for address in removed {
        database.set_account(address, None)?;
    }
    Ok(database.state_root())
}

fn put(address: Address, account: &BundleAccount, database: &mut WitnessDatabase) -> Result<(), Failure> {
    let Some(info) = &account.info else { return Ok(()) };
    // An account destroyed and created again in one block starts without storage.
    let is_new = account.was_destroyed();
    let mut changed = account
        .storage
        .iter()
        .filter(|(_, slot)| is_new || slot.is_changed())
        .map(|(key, slot)| (*key, slot.present_value))
        .peekable();
    let storage_root = if changed.peek().is_some() {
        database.set_storage(address, is_new, changed)?
    } else if is_new || account.original_info.is_none() {
        EMPTY_ROOT_HASH
    } else {
        database.account(address)?.map_or(EMPTY_ROOT_HASH, |before| before.storage_root)
    };
    let after = TrieAccount { nonce: info.nonce, balance: info.balance, storage_root, code_hash: info.code_hash };
    database.set_account(address, Some(after))
}

/// What changed, in values, for a block that was executed on its prestate.
pub fn messages(changes: &BundleState, prestate: &Prestate) -> Result<Vec<PostAccount>, Missing> {
    let mut post_state = PostState::new(prestate);
    for (address, account) in &changes.state {
        let after = account.info.as_ref().map(|info| After {
            nonce: info.nonce,
            balance: Word(info.balance.to_be_bytes()),
            code_hash: Hash(info.code_hash.0),
            storage_is_new: account.was_destroyed(),
            slots: account
                .storage
                .iter()
                .map(|(key, slot)| (Word(key.to_be_bytes()), Word(slot.present_value.to_be_bytes())))
                .collect(),
        });
        post_state.put(address::Address(address.into_array()), after)?;
    }
    Ok(post_state.messages())
}
