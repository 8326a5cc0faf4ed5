//! The prestate section: what a block reads, as it was before the block, without proofs.
//!
//! docs/witness-format.md, "The prestate section"; adapters/CONTRACT.md, "Prestate mode". Codes are not in it: they are
//! in the witness section, keyed by the client's own keccak.

use std::sync::OnceLock;

use crate::address::Address;
use crate::hash::Hash;
use crate::missing::Missing;
use crate::outcome::{Stop, refuse};
use crate::rlp::{self, Item, Malformed};
use crate::witness_file::WitnessFile;
use crate::word::Word;

/// The root of a trie without entries: keccak-256 of the RLP of an empty string (yellow paper, appendix D).
pub const EMPTY_TRIE_ROOT: Hash = Hash([
    0x56, 0xe8, 0x1f, 0x17, 0x1b, 0xcc, 0x55, 0xa6, 0xff, 0x83, 0x45, 0xe6, 0x92, 0xc0, 0xf8, 0x6e, 0x5b, 0x48, 0xe0,
    0x1b, 0x99, 0x6c, 0xad, 0xc0, 0x01, 0x62, 0x2f, 0xb5, 0xe3, 0x63, 0xb4, 0x21,
]);

/// An account that is there before the block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub nonce: u64,
    pub balance: Word, // wei
    pub storage_root: Hash,
    pub code_hash: Hash,
    /// Key and value, ascending by key.
    slots: Vec<(Word, Word)>,
}

impl Account {
    /// The slots that are listed, with their values, ascending by key.
    pub fn slots(&self) -> &[(Word, Word)] {
        &self.slots
    }

    /// The slot's value; None where it is unknown.
    fn slot(&self, key: Word) -> Option<Word> {
        match self.slots.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(index) => Some(self.slots[index].1),
            Err(_) if self.storage_root == EMPTY_TRIE_ROOT => Some(Word::ZERO),
            Err(_) => None,
        }
    }
}

/// The parsed section. It remembers the first thing that was asked for and is not listed: a client may swallow the
/// error that it gets.
#[derive(Debug)]
pub struct Prestate {
    /// Ascending by address; None: there is no such account.
    accounts: Vec<(Address, Option<Account>)>,
    first_missing: OnceLock<Missing>,
}

impl Prestate {
    /// Of a file; REFUSED where it has no prestate section, or one that is not exactly as described.
    pub fn of(file: &WitnessFile) -> Result<Self, Stop> {
        let section = file.prestate().ok_or_else(|| refuse("the witness file has no prestate section"))?;
        Self::parse(section).map_err(|reason| refuse(format!("prestate section: {reason}")))
    }

    pub fn parse(section: &[u8]) -> Result<Self, Malformed> {
        let mut accounts: Vec<(Address, Option<Account>)> = Vec::new();
        for item in rlp::list(section)? {
            let (address, account) = parse_account(item?)?;
            if accounts.last().is_some_and(|(previous, _)| address <= *previous) {
                return Err("accounts are not strictly ascending");
            }
            accounts.push((address, account));
        }
        Ok(Self { accounts, first_missing: OnceLock::new() })
    }

    /// All that is listed, ascending by address; None: there is no such account.
    pub fn accounts(&self) -> impl Iterator<Item = (Address, Option<&Account>)> {
        self.accounts.iter().map(|(address, account)| (*address, account.as_ref()))
    }

    /// The account before the block; None: there is none. The error: it is not listed, so nobody knows.
    pub fn account(&self, address: Address) -> Result<Option<&Account>, Missing> {
        match self.accounts.binary_search_by_key(&address, |(address, _)| *address) {
            Ok(index) => Ok(self.accounts[index].1.as_ref()),
            Err(_) => Err(self.note(Missing::Account { address })),
        }
    }

    /// The slot's value before the block: zero without being listed where the account is listed as absent, or as one
    /// without storage. The error: the slot, or the account, is not listed.
    ///
    /// Not to be asked of an account that was created (or destroyed) earlier in the block: its slots are zero, whatever
    /// is here.
    pub fn slot(&self, address: Address, key: Word) -> Result<Word, Missing> {
        let Some(account) = self.account(address)? else { return Ok(Word::ZERO) };
        account.slot(key).ok_or_else(|| self.note(Missing::Slot { address, key }))
    }

    /// What was asked for first of all that is not listed. To be looked at after executing, also where all went well.
    pub fn first_missing(&self) -> Option<&Missing> {
        self.first_missing.get()
    }

    fn note(&self, missing: Missing) -> Missing {
        self.first_missing.get_or_init(|| missing.clone());
        missing
    }
}

fn parse_account(item: Item<'_>) -> Result<(Address, Option<Account>), Malformed> {
    if !item.is_list {
        return Err("an account is not a list");
    }
    let mut fields = rlp::list(item.encoded)?;
    let mut field = || fields.next().transpose();
    let address = string(field()?.ok_or("an account without an address")?)?;
    let address = Address::from_slice(address).ok_or("an address is not 20 bytes")?;
    let Some(nonce) = field()? else { return Ok((address, None)) };
    let mut required = || field()?.ok_or("an account has neither 1 nor 6 fields");
    let (balance, storage_root, code_hash, slots) = (required()?, required()?, required()?, required()?);
    if field()?.is_some() {
        return Err("an account has neither 1 nor 6 fields");
    }
    let hash = |item| Hash::from_slice(string(item)?).ok_or("a hash is not 32 bytes");
    let account = Account {
        nonce: nonce_of(integer(nonce)?)?,
        balance: integer(balance)?,
        storage_root: hash(storage_root)?,
        code_hash: hash(code_hash)?,
        slots: parse_slots(slots)?,
    };
    if account.storage_root == EMPTY_TRIE_ROOT && account.slots.iter().any(|(_, value)| !value.is_zero()) {
        return Err("an account without storage has a slot that is not zero");
    }
    Ok((address, Some(account)))
}

fn parse_slots(item: Item<'_>) -> Result<Vec<(Word, Word)>, Malformed> {
    if !item.is_list {
        return Err("an account's slots are not a list");
    }
    let mut slots: Vec<(Word, Word)> = Vec::new();
    for slot in rlp::list(item.encoded)? {
        let slot = slot?;
        if !slot.is_list {
            return Err("a slot is not a list");
        }
        let mut fields = rlp::list(slot.encoded)?;
        let (Some(key), Some(value), None) = (fields.next(), fields.next(), fields.next()) else {
            return Err("a slot has not 2 fields");
        };
        let key = Word(string(key?)?.try_into().map_err(|_| "a slot's key is not 32 bytes")?);
        if slots.last().is_some_and(|(previous, _)| key <= *previous) {
            return Err("slots are not strictly ascending");
        }
        slots.push((key, integer(value?)?));
    }
    Ok(slots)
}

fn string(item: Item<'_>) -> Result<&[u8], Malformed> {
    if item.is_list { Err("a list where a string is expected") } else { Ok(item.payload) }
}

fn integer(item: Item<'_>) -> Result<Word, Malformed> {
    Word::from_minimal(string(item)?).ok_or("an integer has leading zeros or more than 256 bits")
}

fn nonce_of(word: Word) -> Result<u64, Malformed> {
    let (high, low) = word.0.split_at(24);
    let is_small = high.iter().all(|&byte| byte == 0);
    let low = low.iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
    if is_small { Ok(low) } else { Err("a nonce of more than 64 bits") }
}
