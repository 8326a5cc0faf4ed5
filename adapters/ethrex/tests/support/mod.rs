//! Small blocks with complete witnesses, made of a list of accounts and a list of transactions.
#![allow(dead_code, unused_imports, reason = "every test crate uses its own part of it")]

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use adapter_host::client::{Question, Spent};
use adapter_host::hash::Hash;
use adapter_host::outcome::Stop;
use adapter_host::rpc::trace_event::Event;
use adapter_host::rpc::{Computed, Mode, Step};
use adapter_host::testing::scene::{self, Call, Parts};
pub use adapter_host::testing::scene::{Account, NUMBER, storing_block_hash};
use adapter_host::testing::{file, prestate};
use adapter_host::trace::{self, Wanted};
use adapter_host::witness_file::WitnessFile;
use bytes::Bytes;
use ethrex_adapter::execution;
use ethrex_common::types::{
    AccountState, Block, BlockBody, BlockHeader, EIP1559Transaction, Transaction, TxKind, compute_transactions_root,
    compute_withdrawals_root,
};
use ethrex_common::{Address, H160, H256, U256};
use ethrex_crypto::NativeCrypto;
use ethrex_crypto::keccak::keccak_hash;
use ethrex_rlp::encode::RLPEncode;
use ethrex_trie::{NodeRef, Trie};
use tokio_stream::StreamExt;

pub const GAS_LIMIT: u64 = 30_000_000;
pub const BASE_FEE: u64 = 7; // wei
pub const RICH: u64 = 1_000_000_000_000_000_000; // wei
pub const COINBASE: Address = Address::repeat_byte(0xcb);
const TIMESTAMP: u64 = 1_000_000;

/// Every fork from genesis up to the named one.
pub fn chain_config(fork: &str) -> String {
    let times = [
        ("shanghai", "shanghaiTime"),
        ("cancun", "cancunTime"),
        ("prague", "pragueTime"),
        ("osaka", "osakaTime"),
        ("amsterdam", "amsterdamTime"),
    ];
    let active = times.iter().position(|(name, _)| *name == fork).map_or(0, |last| last + 1);
    let times: String = times[..active].iter().map(|(_, key)| format!(r#","{key}":0"#)).collect();
    format!(
        r#"{{"chainId":1,"londonBlock":0,"terminalTotalDifficulty":0,
            "depositContractAddress":"0x00000000219ab540356cbb839cbe05303d7705fa"{times}}}"#
    )
}

fn storage_root_and_nodes(account: &Account) -> (H256, Vec<Vec<u8>>) {
    let slots = account.storage.iter();
    trie(slots.map(|(slot, value)| (hashed(H256::from_low_u64_be(*slot)), U256::from(*value).encode_to_vec())))
}

/// As a prestate section lists it, with all of its slots.
fn listed(account: &Account) -> prestate::Account {
    let slots = account.storage.iter();
    prestate::Account {
        nonce: account.nonce,
        balance: U256::from(account.balance).to_big_endian(),
        storage_root: storage_root_and_nodes(account).0.0,
        code_hash: hashed(&account.code).0,
        slots: slots.map(|(&slot, &value)| (word(slot), word(value))).collect(),
    }
}

/// 32 bytes, big-endian.
pub fn word(value: u64) -> [u8; 32] {
    U256::from(value).to_big_endian()
}

/// The root of a trie and its nodes.
pub fn trie(entries: impl IntoIterator<Item = (H256, Vec<u8>)>) -> (H256, Vec<Vec<u8>>) {
    let mut trie = Trie::new_temp();
    for (key, value) in entries {
        trie.insert(key.as_bytes().to_vec(), value).unwrap();
    }
    let mut nodes = Vec::new();
    if let NodeRef::Node(root, _) = &trie.root {
        root.encode_subtrie(&mut nodes).unwrap();
    }
    (trie.hash_no_commit(&NativeCrypto), nodes)
}

pub fn hashed(bytes: impl AsRef<[u8]>) -> H256 {
    H256(keccak_hash(bytes))
}

/// Root, nodes and codes of a state.
pub fn state(accounts: &BTreeMap<Address, Account>) -> (H256, Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let (mut nodes, mut codes, mut leaves) = (Vec::new(), Vec::new(), Vec::new());
    for (address, account) in accounts {
        let (storage_root, storage_nodes) = storage_root_and_nodes(account);
        let state = AccountState {
            nonce: account.nonce,
            balance: account.balance.into(),
            storage_root,
            code_hash: hashed(&account.code),
        };
        leaves.push((hashed(address), state.encode_to_vec()));
        nodes.extend(storage_nodes);
        if !account.code.is_empty() {
            codes.push(account.code.clone());
        }
    }
    let (root, state_nodes) = trie(leaves);
    nodes.extend(state_nodes);
    (root, nodes, codes)
}

/// A transaction whose signature is made up: whoever it recovers to is its sender.
pub fn transaction(to: Address, value: u64, gas_limit: u64) -> EIP1559Transaction {
    EIP1559Transaction {
        chain_id: 1,
        max_fee_per_gas: BASE_FEE,
        gas_limit,
        to: TxKind::Call(to),
        value: value.into(),
        signature_r: U256::one(),
        signature_s: U256::one(),
        ..EIP1559Transaction::default()
    }
}

pub fn sender(tx: &EIP1559Transaction) -> Address {
    Transaction::EIP1559Transaction(tx.clone()).sender(&NativeCrypto).unwrap()
}

/// A block and everything that goes with it; change what a test is about, then `execute`.
#[derive(Clone)]
pub struct Scene {
    pub header: BlockHeader,
    pub body: BlockBody,
    pub parent: BlockHeader,
    /// Headers below the parent, ascending.
    pub ancestors: Vec<BlockHeader>,
    pub parts: Parts,
    pub pre_state_root: H256,
    /// The state before the block, by which the prestate section can be written.
    pub accounts: BTreeMap<Address, Account>,
    /// The prestate section; with one, the block is executed in prestate mode.
    pub prestate: Option<Vec<u8>>,
}

impl Scene {
    /// `fork`: paris, shanghai, cancun, prague, osaka or amsterdam. The senders of the transactions are funded, and have an
    /// account of their own in the state besides `accounts`.
    pub fn new(fork: &str, accounts: &[(Address, Account)], transactions: Vec<EIP1559Transaction>) -> Self {
        let mut accounts: BTreeMap<Address, Account> = accounts.iter().cloned().collect();
        for tx in &transactions {
            accounts.entry(sender(tx)).or_default().balance = RICH;
        }
        let (root, nodes, codes) = state(&accounts);
        let forks = ["paris", "shanghai", "cancun", "prague", "osaka", "amsterdam"];
        let level = forks.iter().position(|name| *name == fork).unwrap();
        let since = |first: usize| level >= first;
        let empty_uncles = *ethrex_common::constants::DEFAULT_OMMERS_HASH;
        let parent = BlockHeader {
            number: NUMBER - 1,
            timestamp: TIMESTAMP - 12,
            gas_limit: GAS_LIMIT,
            gas_used: GAS_LIMIT / 2, // at the target: the base fee stays
            base_fee_per_gas: Some(BASE_FEE),
            state_root: root,
            ommers_hash: empty_uncles,
            excess_blob_gas: since(2).then_some(0),
            blob_gas_used: since(2).then_some(0),
            ..BlockHeader::default()
        };
        let body = BlockBody {
            transactions: transactions.into_iter().map(Transaction::EIP1559Transaction).collect(),
            ommers: Vec::new(),
            withdrawals: since(1).then(Vec::new),
        };
        let header = BlockHeader {
            number: NUMBER,
            timestamp: TIMESTAMP,
            gas_limit: GAS_LIMIT,
            coinbase: COINBASE,
            ommers_hash: empty_uncles,
            base_fee_per_gas: Some(BASE_FEE),
            withdrawals_root: since(1).then(|| compute_withdrawals_root(&[], &NativeCrypto)),
            excess_blob_gas: since(2).then_some(0),
            blob_gas_used: since(2).then_some(0),
            parent_beacon_block_root: since(2).then(H256::zero),
            requests_hash: since(3).then(H256::zero),
            block_access_list_hash: since(5).then(H256::zero),
            slot_number: since(5).then_some(0),
            ..BlockHeader::default()
        };
        Self {
            header,
            body,
            parent,
            ancestors: Vec::new(),
            parts: Parts { nodes, codes, chain_config: chain_config(fork), ..Parts::default() },
            pre_state_root: root,
            accounts,
            prestate: None,
        }
        .bound()
    }

    /// With the header's links set: the parent's hash, the transactions root.
    pub fn bound(mut self) -> Self {
        self.header.parent_hash = hashed(self.parent.encode_to_vec());
        self.header.transactions_root = compute_transactions_root(&self.body.transactions, &NativeCrypto);
        self
    }

    pub fn block_bytes(&self) -> Vec<u8> {
        let block = Block::new(self.header.clone(), self.body.clone());
        self.block.clone().unwrap_or_else(|| block.encode_to_vec())
    }

    pub fn hash(&self) -> H256 {
        hashed(self.header.encode_to_vec())
    }

    /// The bytes of the witness file.
    pub fn file(&self) -> Vec<u8> {
        let chain = self.ancestors.iter().chain([&self.parent]).map(RLPEncode::encode_to_vec);
        let headers = self.headers.clone().unwrap_or_else(|| chain.collect());
        let mut sections = vec![
            (1, self.block_bytes()),
            (2, file::encode_witness(&self.nodes, &self.codes, &headers)),
            (3, self.chain_config.clone().into_bytes()),
        ];
        sections.extend(self.prestate.clone().map(|prestate| (4, prestate)));
        file::encode(1, self.header.number, Hash(self.hash().0), &sections)
    }

    /// What a prestate section has to list: every account with all of its slots, and those that are not there.
    pub fn listing(&self, absent: &[Address]) -> prestate::Accounts {
        let listed = self.accounts.iter().map(|(address, account)| (address.0, Some(listed(account))));
        listed.chain(absent.iter().map(|address| (address.0, None))).collect()
    }

    /// In prestate mode, on this section and without a single node.
    pub fn with_prestate(&self, listing: &prestate::Accounts) -> Self {
        let mut scene = Self { prestate: Some(prestate::encode(listing)), ..self.clone() };
        scene.nodes.clear();
        scene
    }

    pub fn question(&self) -> Question {
        Question {
            block_hash: Hash(self.hash().0),
            pre_state_root: Hash(self.pre_state_root.0),
            mode: if self.prestate.is_some() { Mode::Prestate } else { Mode::Proof },
            chain_config: Bytes::new(),
            parent_header_optional: self.parent_header_optional,
            ancestor_hashes: Default::default(),
        }
    }

    pub fn ask(&self, question: &Question) -> Result<Computed, Stop> {
        let file = Arc::new(WitnessFile::from_bytes(self.file().into()).unwrap());
        execution::execute(file, question, Arc::new(AtomicBool::new(false)), &mut Spent::default()).0
    }

    /// What is told while the block is traced, and its result.
    pub fn traced(&self, first: u32, count: u32) -> (Vec<Event>, Result<Computed, Stop>) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let _entered = runtime.enter();
        let (mut trace, events) = trace::open(Wanted { first, count }, None);
        let file = Arc::new(WitnessFile::from_bytes(self.file().into()).unwrap());
        let question = self.question();
        let work = std::thread::spawn(move || {
            let cancelled = Arc::new(AtomicBool::new(false));
            execution::execute_traced(file, &question, cancelled, &mut Spent::default(), &mut trace).0
        });
        // The last one is an error: it is the host that makes an event of the outcome.
        let events = events.filter_map(|event| event.ok()?.event);
        (runtime.block_on(events.collect()), work.join().unwrap())
    }

    /// The steps of the one transaction that the block has.
    pub fn steps(&self) -> Vec<Step> {
        let (events, result) = self.traced(0, 0);
        result.unwrap_or_else(|stop| panic!("not computed: {stop:?}"));
        let steps = events.into_iter().filter_map(|event| match event {
            Event::Steps(steps) => Some(steps.steps),
            _ => None,
        });
        steps.flatten().collect()
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
        let accounts: Vec<_> = accounts.iter().map(|(address, account)| (H160(*address), account.clone())).collect();
        Self::new(fork, &accounts, calls.iter().map(|call| called(*call)).collect())
    }

    fn sender(call: Call) -> scene::Address {
        sender(&called(call)).0
    }

    fn hashed(bytes: &[u8]) -> Hash {
        Hash(hashed(bytes).0)
    }

    fn trie(entries: Vec<(Hash, Vec<u8>)>) -> (Hash, Vec<Vec<u8>>) {
        let (root, nodes) = trie(entries.into_iter().map(|(key, value)| (H256(key.0), value)));
        (Hash(root.0), nodes)
    }

    fn on_state(mut self, root: Hash) -> Self {
        (self.pre_state_root, self.parent.state_root) = (H256(root.0), H256(root.0));
        self.bound()
    }

    fn trusting(self, root: Hash) -> Self {
        Self { pre_state_root: H256(root.0), ..self }
    }

    fn with_ancestors(mut self, count: u64) -> Self {
        let mut parent_hash = H256::repeat_byte(0xaa);
        for number in NUMBER - 1 - count..NUMBER - 1 {
            let ancestor = BlockHeader { number, parent_hash, ..BlockHeader::default() };
            parent_hash = hashed(ancestor.encode_to_vec());
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

fn called(Call(to, value, gas_limit): Call) -> EIP1559Transaction {
    transaction(H160(to), value, gas_limit)
}

/// Enough other accounts that every path has branches.
pub fn crowd() -> Vec<(Address, Account)> {
    scene::crowd().into_iter().map(|(address, account)| (H160(address), account)).collect()
}

/// A contract's code that calls `target` with no value and stores whether that succeeded in slot 1.
pub fn calling(target: Address) -> Vec<u8> {
    scene::calling(target.0)
}

/// A contract's code that reads one slot after the other until its gas is used up:
/// PUSH0 JUMPDEST DUP1 SLOAD POP PUSH1 1 ADD PUSH1 1 JUMP.
pub const READING_FOR_EVER: [u8; 11] = [0x5f, 0x5b, 0x80, 0x54, 0x50, 0x60, 1, 0x01, 0x60, 1, 0x56];
