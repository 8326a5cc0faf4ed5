//! Small blocks with complete witnesses, made of a list of accounts and a list of transactions.
//!
//! Their states are computed by alloy-trie, which the adapter does not use for them.
#![allow(dead_code, unused_imports, reason = "every test crate uses its own part of it")]

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use adapter_host::client::{Question, Spent};
use adapter_host::hash::Hash;
use adapter_host::outcome::Stop;
use adapter_host::rpc::{Computed, Mode};
use adapter_host::testing::file;
use adapter_host::testing::prestate::{self, Accounts};
use adapter_host::testing::scene::{self, Call, Parts};
pub use adapter_host::testing::scene::{Account, NUMBER, TRANSFER_GAS, storing_block_hash};
use adapter_host::witness_file::WitnessFile;
use alloy_consensus::proofs::{calculate_ommers_root, calculate_transaction_root, calculate_withdrawals_root};
use alloy_consensus::transaction::SignerRecoverable;
use alloy_consensus::{BlockBody, EMPTY_OMMER_ROOT_HASH, Header, Signed, TxEip1559, TxLegacy};
use alloy_primitives::{Address, B256, Signature, TxKind, U256, keccak256};
use alloy_trie::proof::ProofRetainer;
use alloy_trie::{EMPTY_ROOT_HASH, HashBuilder, Nibbles, TrieAccount};
use bytes::Bytes;
use revm_adapter::block::{Block, Transaction};
use revm_adapter::execution;
use revm_adapter::fork::Fork;

pub const GAS_LIMIT: u64 = 30_000_000;
pub const BASE_FEE: u64 = 7; // wei
pub const RICH: u64 = 1_000_000_000_000_000_000; // wei
pub const COINBASE: Address = Address::repeat_byte(0xcb);
pub const DEPOSIT_CONTRACT: &str = "0x00000000219ab540356cbb839cbe05303d7705fa";
pub const RECIPIENT: Address = Address::new(scene::RECIPIENT);
pub const CONTRACT: Address = Address::new(scene::CONTRACT);
pub const TARGET: Address = Address::new(scene::TARGET);
const TIMESTAMP: u64 = 1_000_000;
const DIFFICULTY: u64 = 2_048_000; // of the parent of a block with proof of work

/// Every fork from genesis up to the named one.
pub fn chain_config(fork: &str) -> String {
    let numbered = [
        ("byzantium", "byzantiumBlock"),
        ("petersburg", "petersburgBlock"),
        ("istanbul", "istanbulBlock"),
        ("muir_glacier", "muirGlacierBlock"),
        ("berlin", "berlinBlock"),
        ("london", "londonBlock"),
        ("arrow_glacier", "arrowGlacierBlock"),
        ("gray_glacier", "grayGlacierBlock"),
    ];
    let timed = [
        ("shanghai", "shanghaiTime"),
        ("cancun", "cancunTime"),
        ("prague", "pragueTime"),
        ("osaka", "osakaTime"),
        ("bpo1", "bpo1Time"),
    ];
    let up_to = |names: &[(&str, &str)], all: bool| -> String {
        let last = names.iter().position(|(name, _)| *name == fork);
        let active = if all { names.len() } else { last.map_or(0, |last| last + 1) };
        names[..active].iter().map(|(_, key)| format!(r#","{key}":0"#)).collect()
    };
    let is_merged = Fork::from_name(fork).unwrap() >= Fork::Paris;
    let merge = if is_merged { r#","terminalTotalDifficulty":0"# } else { "" };
    let (numbered, timed) = (up_to(&numbered, is_merged), up_to(&timed, false));
    format!(
        r#"{{"chainId":1,"depositContractAddress":"{DEPOSIT_CONTRACT}",
            "blobSchedule":{{"bpo1":{{"target":10,"max":15,"baseFeeUpdateFraction":8346193}}}}{merge}{numbered}{timed}}}"#
    )
}

fn slots(account: &Account) -> impl Iterator<Item = (B256, Vec<u8>)> {
    let slot = |(slot, value): (&u64, &u64)| {
        (keccak256(U256::from(*slot).to_be_bytes::<32>()), alloy_rlp::encode(U256::from(*value)))
    };
    account.storage.iter().map(slot)
}

/// As the prestate section has it.
fn listed(account: &Account) -> prestate::Account {
    let word = |value: &u64| U256::from(*value).to_be_bytes::<32>();
    prestate::Account {
        nonce: account.nonce,
        balance: word(&account.balance),
        storage_root: trie(slots(account)).0.0,
        code_hash: keccak256(&account.code).0,
        slots: account.storage.iter().map(|(key, value)| (word(key), word(value))).collect(),
    }
}

/// The root of a trie and its nodes.
pub fn trie(entries: impl IntoIterator<Item = (B256, Vec<u8>)>) -> (B256, Vec<Vec<u8>>) {
    let entries: BTreeMap<B256, Vec<u8>> = entries.into_iter().collect();
    if entries.is_empty() {
        return (EMPTY_ROOT_HASH, Vec::new());
    }
    let keys = entries.keys().map(Nibbles::unpack).collect();
    let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(keys));
    for (key, value) in &entries {
        builder.add_leaf(Nibbles::unpack(key), value);
    }
    let root = builder.root();
    let nodes = builder.take_proof_nodes().into_inner().into_values().map(|node| node.to_vec()).collect();
    (root, nodes)
}

/// Root, nodes and codes of a state.
pub fn state(accounts: &BTreeMap<Address, Account>) -> (B256, Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let (mut nodes, mut codes, mut leaves) = (Vec::new(), Vec::new(), Vec::new());
    for (address, account) in accounts {
        let (storage_root, storage_nodes) = trie(slots(account));
        let state = TrieAccount {
            nonce: account.nonce,
            balance: U256::from(account.balance),
            storage_root,
            code_hash: keccak256(&account.code),
        };
        leaves.push((keccak256(address), alloy_rlp::encode(state)));
        nodes.extend(storage_nodes);
        if !account.code.is_empty() {
            codes.push(account.code.clone());
        }
    }
    let (root, state_nodes) = trie(leaves);
    nodes.extend(state_nodes);
    (root, nodes, codes)
}

/// A signature that is made up: whoever it recovers to is the sender.
pub fn signature() -> Signature {
    Signature::new(U256::ONE, U256::ONE, false)
}

pub fn unsigned(to: Address, value: u64, gas_limit: u64) -> TxEip1559 {
    TxEip1559 {
        chain_id: 1,
        max_fee_per_gas: u128::from(BASE_FEE),
        gas_limit,
        to: TxKind::Call(to),
        value: U256::from(value),
        ..TxEip1559::default()
    }
}

pub fn transaction(to: Address, value: u64, gas_limit: u64) -> Transaction {
    Transaction::Eip1559(Signed::new_unhashed(unsigned(to, value, gas_limit), signature()))
}

/// For forks before London.
pub fn legacy(to: Address, value: u64, gas_limit: u64) -> Transaction {
    let tx = TxLegacy {
        chain_id: Some(1),
        gas_price: u128::from(BASE_FEE),
        gas_limit,
        to: TxKind::Call(to),
        value: U256::from(value),
        ..TxLegacy::default()
    };
    Transaction::Legacy(Signed::new_unhashed(tx, signature()))
}

pub fn sender(tx: &Transaction) -> Address {
    tx.recover_signer().unwrap()
}

/// The request contracts of Prague (EIP-7002, EIP-7251), which request nothing: one STOP each.
pub fn request_contracts() -> Vec<(Address, Account)> {
    let addresses = [
        alloy_eips::eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
        alloy_eips::eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
    ];
    addresses.map(|address| (address, Account::with_code(&[0]))).to_vec()
}

/// A block and everything that goes with it; change what a test is about, then `execute`.
#[derive(Clone)]
pub struct Scene {
    pub header: Header,
    pub body: BlockBody<Transaction>,
    pub parent: Header,
    /// Headers below the parent, ascending.
    pub ancestors: Vec<Header>,
    pub parts: Parts,
    pub chain_id: u64,
    pub pre_state_root: B256,
    /// What the state is made of.
    pub accounts: BTreeMap<Address, Account>,
    /// What the prestate section lists; without it the file has none.
    pub listed: Option<Accounts>,
}

impl Scene {
    /// The senders of the transactions are funded, and have an account of their own besides `accounts`.
    pub fn new(fork: &str, accounts: &[(Address, Account)], transactions: Vec<Transaction>) -> Self {
        let mut accounts: BTreeMap<Address, Account> = accounts.iter().cloned().collect();
        for tx in &transactions {
            accounts.entry(sender(tx)).or_default().balance = RICH;
        }
        let level = Fork::from_name(fork).unwrap();
        let since = |first: Fork| level >= first;
        let difficulty = if since(Fork::Paris) { 0 } else { DIFFICULTY };
        let parent = Header {
            number: NUMBER - 1,
            timestamp: TIMESTAMP - 12,
            gas_limit: GAS_LIMIT,
            gas_used: GAS_LIMIT / 2, // at the target: the base fee stays
            difficulty: U256::from(difficulty),
            base_fee_per_gas: since(Fork::London).then_some(BASE_FEE),
            withdrawals_root: since(Fork::Shanghai).then_some(EMPTY_ROOT_HASH),
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            excess_blob_gas: since(Fork::Cancun).then_some(0),
            blob_gas_used: since(Fork::Cancun).then_some(0),
            parent_beacon_block_root: since(Fork::Cancun).then_some(B256::ZERO),
            ..Header::default()
        };
        let header = Header {
            number: NUMBER,
            timestamp: TIMESTAMP,
            beneficiary: COINBASE,
            gas_used: 0,
            requests_hash: since(Fork::Prague).then_some(B256::ZERO),
            ..parent.clone()
        };
        let withdrawals = since(Fork::Shanghai).then(Default::default);
        Self {
            header,
            body: BlockBody { transactions, ommers: Vec::new(), withdrawals },
            parent,
            ancestors: Vec::new(),
            parts: Parts { chain_config: chain_config(fork), ..Parts::default() },
            chain_id: 1,
            pre_state_root: EMPTY_ROOT_HASH,
            accounts: BTreeMap::new(),
            listed: None,
        }
        .with_state(&accounts)
        .bound()
    }

    /// With the state before the block, and its complete witness.
    pub fn with_state(mut self, accounts: &BTreeMap<Address, Account>) -> Self {
        (self.pre_state_root, self.nodes, self.codes) = state(accounts);
        self.parent.state_root = self.pre_state_root;
        self.accounts = accounts.clone();
        self
    }

    /// With a prestate section that lists every account and slot, and these addresses as absent.
    pub fn listing(mut self, absent: &[Address]) -> Self {
        let mut accounts: Accounts = absent.iter().map(|address| (address.into_array(), None)).collect();
        accounts.extend(self.accounts.iter().map(|(address, account)| (address.into_array(), Some(listed(account)))));
        self.listed = Some(accounts);
        self
    }

    /// With the header's links set: the parent's hash, the roots of the body.
    pub fn bound(mut self) -> Self {
        self.header.parent_hash = self.parent.hash_slow();
        self.header.transactions_root = calculate_transaction_root(&self.body.transactions);
        self.header.ommers_hash = calculate_ommers_root(&self.body.ommers);
        self.header.withdrawals_root = self.body.withdrawals.as_deref().map(|list| calculate_withdrawals_root(list));
        self
    }

    pub fn block_bytes(&self) -> Vec<u8> {
        let block = Block { header: self.header.clone(), body: self.body.clone() };
        self.block.clone().unwrap_or_else(|| alloy_rlp::encode(block))
    }

    pub fn hash(&self) -> B256 {
        self.header.hash_slow()
    }

    /// The bytes of the witness file.
    pub fn file(&self) -> Vec<u8> {
        let chain = self.ancestors.iter().chain([&self.parent]).map(alloy_rlp::encode);
        let headers = self.headers.clone().unwrap_or_else(|| chain.collect());
        let mut sections = vec![
            (1, self.block_bytes()),
            (2, file::encode_witness(&self.nodes, &self.codes, &headers)),
            (3, self.chain_config.clone().into_bytes()),
        ];
        sections.extend(self.listed.as_ref().map(|listed| (4, prestate::encode(listed))));
        file::encode(self.chain_id, self.header.number, Hash(self.hash().0), &sections)
    }

    pub fn question(&self) -> Question {
        Question {
            block_hash: Hash(self.hash().0),
            pre_state_root: Hash(self.pre_state_root.0),
            mode: Mode::Proof,
            chain_config: Bytes::new(),
            parent_header_optional: self.parent_header_optional,
            ancestor_hashes: Default::default(),
        }
    }

    pub fn ask(&self, question: &Question) -> Result<Computed, Stop> {
        let file = Arc::new(WitnessFile::from_bytes(self.file().into()).unwrap());
        execution::execute(file, question, Arc::new(AtomicBool::new(false)), &mut Spent::default(), None).0
    }
}

impl Deref for Scene {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl DerefMut for Scene {
    fn deref_mut(&mut self) -> &mut Parts {
        &mut self.parts
    }
}

impl scene::Scene for Scene {
    fn made(fork: &str, accounts: &[(scene::Address, Account)], calls: &[Call]) -> Self {
        let accounts: Vec<_> =
            accounts.iter().map(|(address, account)| (Address::new(*address), account.clone())).collect();
        Self::new(fork, &accounts, calls.iter().map(|call| called(*call)).collect())
    }

    fn sender(call: Call) -> scene::Address {
        sender(&called(call)).into_array()
    }

    fn hashed(bytes: &[u8]) -> Hash {
        Hash(keccak256(bytes).0)
    }

    fn trie(entries: Vec<(Hash, Vec<u8>)>) -> (Hash, Vec<Vec<u8>>) {
        let (root, nodes) = trie(entries.into_iter().map(|(key, value)| (B256::from(key.0), value)));
        (Hash(root.0), nodes)
    }

    fn on_state(mut self, root: Hash) -> Self {
        (self.pre_state_root, self.parent.state_root) = (B256::from(root.0), B256::from(root.0));
        self.bound()
    }

    fn trusting(self, root: Hash) -> Self {
        Self { pre_state_root: B256::from(root.0), ..self }
    }

    fn with_ancestors(mut self, count: u64) -> Self {
        let mut parent_hash = B256::repeat_byte(0xaa);
        for number in NUMBER - 1 - count..NUMBER - 1 {
            let ancestor = Header { number, parent_hash, ..Header::default() };
            parent_hash = ancestor.hash_slow();
            self.ancestors.push(ancestor);
        }
        self.parent.parent_hash = parent_hash;
        self.bound()
    }

    fn with_extra_data(mut self, ancestor: Option<usize>, data: &[u8]) -> Self {
        let header = ancestor.map_or(&mut self.header, |index| &mut self.ancestors[index]);
        header.extra_data = data.to_vec().into();
        self
    }

    fn with_number(mut self, number: u64) -> Self {
        self.header.number = number;
        self
    }

    fn parent_hash(&self) -> Hash {
        Hash(self.header.parent_hash.0)
    }

    fn block_bytes(&self) -> Vec<u8> {
        self.block_bytes()
    }

    fn question(&self) -> Question {
        self.question()
    }

    fn ask(&self, question: &Question) -> Result<Computed, Stop> {
        self.ask(question)
    }
}

fn called(Call(to, value, gas_limit): Call) -> Transaction {
    transaction(Address::new(to), value, gas_limit)
}

/// Enough other accounts that every path has branches.
pub fn crowd() -> Vec<(Address, Account)> {
    scene::crowd().into_iter().map(|(address, account)| (Address::new(address), account)).collect()
}

pub fn transfer() -> Scene {
    scene::Scene::transfer()
}

pub fn contract_scene(fork: &str, code: &[u8]) -> Scene {
    scene::Scene::of_contract(fork, code)
}

/// A contract's code that calls `target` with no value and stores whether that succeeded in slot 1.
pub fn calling(target: Address) -> Vec<u8> {
    scene::calling(target.into_array())
}

/// A contract's code that reads one slot after the other until its gas is used up:
/// PUSH0 JUMPDEST DUP1 SLOAD POP PUSH1 1 ADD PUSH1 1 JUMP.
pub const READING_FOR_EVER: [u8; 11] = [0x5f, 0x5b, 0x80, 0x54, 0x50, 0x60, 1, 0x01, 0x60, 1, 0x56];
