//! What a block changed, in prestate mode: one definition for every client (adapters/CONTRACT.md, "Prestate mode").

use std::collections::BTreeMap;

use crate::address::Address;
use crate::hash::Hash;
use crate::missing::Missing;
use crate::prestate::{Account, Prestate};
use crate::rpc::{PostAccount, PostSlot};
use crate::word::Word;

/// An account as it stands after the block.
#[derive(Clone, Debug)]
pub struct After {
    pub nonce: u64,
    pub balance: Word, // wei
    /// Of an account without code: the hash of nothing.
    pub code_hash: Hash,
    /// Whether it was destroyed in the block and came to be again: nothing of its storage before the block is left.
    pub storage_is_new: bool,
    /// Slots with their values after the block. Those that were only read, and those that are what they were, may be
    /// among them or left out.
    pub slots: BTreeMap<Word, Word>,
}

/// The accounts of a block, as they stand after it, by address. What is as it was before the block is left out of
/// `messages`, so a client may put in every account that it touched.
#[derive(Debug)]
pub struct PostState<'a> {
    prestate: &'a Prestate,
    changed: BTreeMap<Address, PostAccount>,
}

impl<'a> PostState<'a> {
    pub fn new(prestate: &'a Prestate) -> Self {
        Self { prestate, changed: BTreeMap::new() }
    }

    /// Takes an account; once for each. after: None where there is no such account after the block.
    ///
    /// The error: the section does not say what the account, or a slot of it, was before.
    pub fn put(&mut self, address: Address, after: Option<After>) -> Result<(), Missing> {
        let before = self.prestate.account(address)?;
        let message = match (before, after) {
            (None, None) => return Ok(()),
            (Some(_), None) => PostAccount { deleted: true, ..PostAccount::default() },
            (before, Some(after)) => {
                let slots = self.changed_slots(address, before, &after)?;
                if slots.is_empty() && before.is_some_and(|before| is_same(before, &after)) {
                    return Ok(());
                }
                PostAccount {
                    nonce: after.nonce,
                    balance: after.balance.to_minimal(),
                    code_hash: after.code_hash.to_bytes(),
                    slots,
                    ..PostAccount::default()
                }
            }
        };
        self.changed.insert(address, PostAccount { address: address.to_bytes(), ..message });
        Ok(())
    }

    /// Every account that changed, ascending by address.
    pub fn messages(self) -> Vec<PostAccount> {
        self.changed.into_values().collect()
    }

    /// Where the storage is new, what is not listed counts as zero before the block: nobody has read it.
    fn changed_slots(
        &self,
        address: Address,
        before: Option<&Account>,
        after: &After,
    ) -> Result<Vec<PostSlot>, Missing> {
        let mut changed = BTreeMap::new();
        if after.storage_is_new {
            let listed: BTreeMap<Word, Word> = before.into_iter().flat_map(Account::slots).copied().collect();
            for key in listed.keys().chain(after.slots.keys()) {
                let value = |slots: &BTreeMap<Word, Word>| slots.get(key).copied().unwrap_or_default();
                if value(&listed) != value(&after.slots) {
                    changed.insert(*key, value(&after.slots));
                }
            }
        } else {
            for (key, value) in &after.slots {
                if self.prestate.slot(address, *key)? != *value {
                    changed.insert(*key, *value);
                }
            }
        }
        let message = |(key, value): (Word, Word)| PostSlot { key: key.to_bytes(), value: value.to_minimal() };
        Ok(changed.into_iter().map(message).collect())
    }
}

fn is_same(before: &Account, after: &After) -> bool {
    (before.nonce, before.balance, before.code_hash) == (after.nonce, after.balance, after.code_hash)
}
