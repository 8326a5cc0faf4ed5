//! A writer of prestate sections, written from docs/witness-format.md and not from the reader.

use std::collections::BTreeMap;

use super::rlp::{encode_integer, encode_list, encode_string};

/// An account before the block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub nonce: u64,
    pub balance: [u8; 32], // wei
    pub storage_root: [u8; 32],
    pub code_hash: [u8; 32],
    pub slots: BTreeMap<[u8; 32], [u8; 32]>,
}

/// By address; None: there is no such account.
pub type Accounts = BTreeMap<[u8; 20], Option<Account>>;

pub fn encode(accounts: &Accounts) -> Vec<u8> {
    let accounts: Vec<Vec<u8>> =
        accounts.iter().map(|(address, account)| encode_account(address, account.as_ref())).collect();
    encode_list(&accounts)
}

pub fn encode_account(address: &[u8; 20], account: Option<&Account>) -> Vec<u8> {
    let mut fields = vec![encode_string(address)];
    if let Some(account) = account {
        let slots = account.slots.iter().map(|(key, value)| encode_list(&[encode_string(key), encode_minimal(value)]));
        fields.extend([
            encode_integer(account.nonce),
            encode_minimal(&account.balance),
            encode_string(&account.storage_root),
            encode_string(&account.code_hash),
            encode_list(&slots.collect::<Vec<_>>()),
        ]);
    }
    encode_list(&fields)
}

fn encode_minimal(word: &[u8; 32]) -> Vec<u8> {
    let zeros = word.iter().take_while(|&&byte| byte == 0).count();
    encode_string(&word[zeros..])
}
