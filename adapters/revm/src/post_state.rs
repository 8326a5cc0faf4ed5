//! The state after the block: what revm changed, put into the tries.

use alloy_primitives::{Address, B256};
use alloy_trie::{EMPTY_ROOT_HASH, TrieAccount};
use revm::database::{BundleAccount, BundleState};

use crate::witness_database::{Failure, WitnessDatabase};

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
