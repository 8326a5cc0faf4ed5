//! The state as the prestate section lists it (adapters/CONTRACT.md, "Prestate mode"), in the client's types.

use std::collections::BTreeMap;

use adapter_host::address::Address as HostAddress;
use adapter_host::hash::Hash;
use adapter_host::post_state::{After, PostState};
use adapter_host::prestate::Prestate;
use adapter_host::rpc::PostAccount;
use adapter_host::word::Word;
use ethrex_common::types::{AccountInfo, AccountState, AccountUpdate};
use ethrex_common::{Address, H256, U256};

use crate::database::Failure;

pub struct ListedState(Prestate);

impl ListedState {
    pub fn new(prestate: Prestate) -> Self {
        Self(prestate)
    }

    pub fn account(&self, address: Address) -> Result<Option<AccountState>, Failure> {
        let account = self.0.account(HostAddress(address.0))?;
        Ok(account.map(|account| AccountState {
            nonce: account.nonce,
            balance: U256::from_big_endian(&account.balance.0),
            storage_root: H256(account.storage_root.0),
            code_hash: H256(account.code_hash.0),
        }))
    }

    /// The client does not ask for the slots of an account that it destroyed in this block; those of one that it
    /// created are zero, because without a nonce and a code it had no storage before (EIP-7610).
    pub fn slot(&self, address: Address, key: H256) -> Result<U256, Failure> {
        let value = self.0.slot(HostAddress(address.0), Word(key.0))?;
        Ok(U256::from_big_endian(&value.0))
    }

    /// What the block changed. The client's updates name every account that it changed, and of an account that is still
    /// there what changed; slots against the storage from before, or where that was removed, against nothing.
    pub fn post_state(&self, updates: &[AccountUpdate]) -> Result<Vec<PostAccount>, Failure> {
        let mut post_state = PostState::new(&self.0);
        for update in updates {
            let after = if update.removed { None } else { Some(self.after(update)?) };
            post_state.put(HostAddress(update.address.0), after)?;
        }
        Ok(post_state.messages())
    }

    fn after(&self, update: &AccountUpdate) -> Result<After, Failure> {
        let info = match &update.info {
            Some(info) => info.clone(),
            None => self.account(update.address)?.map_or_else(AccountInfo::default, |before| AccountInfo {
                nonce: before.nonce,
                balance: before.balance,
                code_hash: before.code_hash,
            }),
        };
        let slot = |(key, value): (&H256, &U256)| (Word(key.0), Word(value.to_big_endian()));
        Ok(After {
            nonce: info.nonce,
            balance: Word(info.balance.to_big_endian()),
            code_hash: Hash(info.code_hash.0),
            storage_is_new: update.removed_storage,
            slots: update.added_storage.iter().map(slot).collect::<BTreeMap<_, _>>(),
        })
    }
}
