//! A small block with its complete witness, as the tests of an adapter make it with the types of its client.

use std::collections::BTreeMap;
use std::ops::DerefMut;

use crate::client::Question;
use crate::hash::Hash;
use crate::outcome::Stop;
use crate::rpc::{Abstention, AbstentionReason, BrokenRule, Computed, Missing};

pub type Address = [u8; 20];

/// The block's number.
pub const NUMBER: u64 = 1000;
pub const TRANSFER_GAS: u64 = 21_000;
pub const RECIPIENT: Address = [0x11; 20];
pub const CONTRACT: Address = [0xc0; 20];
pub const TARGET: Address = [0x77; 20];

/// An account of the state before the block.
#[derive(Clone, Debug, Default)]
pub struct Account {
    pub balance: u64, // wei
    pub nonce: u64,
    pub code: Vec<u8>,
    pub storage: BTreeMap<u64, u64>,
}

impl Account {
    pub fn with_code(code: &[u8]) -> Self {
        Self { code: code.to_vec(), ..Self::default() }
    }
}

/// A transaction: to whom, wei, gas.
#[derive(Clone, Copy, Debug)]
pub struct Call(pub Address, pub u64, pub u64);

/// What goes with a block whatever the client; a test changes what it is about.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    pub nodes: Vec<Vec<u8>>,
    pub codes: Vec<Vec<u8>>,
    pub chain_config: String,
    /// Instead of the headers of the ancestors and the parent.
    pub headers: Option<Vec<Vec<u8>>>,
    /// Instead of the block's own encoding.
    pub block: Option<Vec<u8>>,
    pub parent_header_optional: bool,
}

/// A block and everything that goes with it.
pub trait Scene: Clone + DerefMut<Target = Parts> {
    /// On these accounts and those of the senders, who have enough.
    fn made(fork: &str, accounts: &[(Address, Account)], calls: &[Call]) -> Self;

    /// Who the made-up signature of this transaction makes its sender.
    fn sender(call: Call) -> Address;

    /// By the client's keccak-256.
    fn hashed(bytes: &[u8]) -> Hash;

    /// Root and nodes of a trie, by the client.
    fn trie(entries: Vec<(Hash, Vec<u8>)>) -> (Hash, Vec<Vec<u8>>);

    /// With another state root of the parent, which is trusted.
    fn on_state(self, root: Hash) -> Self;

    /// With another trusted root, and the same parent.
    fn trusting(self, root: Hash) -> Self;

    /// With so many headers below the parent's.
    fn with_ancestors(self, count: u64) -> Self;

    /// With extra data in an ancestor's header, or in the block's own (None).
    fn with_extra_data(self, ancestor: Option<usize>, data: &[u8]) -> Self;

    /// With another number in the block's header.
    fn with_number(self, number: u64) -> Self;

    fn parent_hash(&self) -> Hash;
    fn block_bytes(&self) -> Vec<u8>;
    fn question(&self) -> Question;
    fn ask(&self, question: &Question) -> Result<Computed, Stop>;

    fn execute(&self) -> Result<Computed, Stop> {
        self.ask(&self.question())
    }

    fn computed(&self) -> Computed {
        self.execute().unwrap_or_else(|stop| panic!("not computed: {stop:?}"))
    }

    fn broken_rule(&self) -> BrokenRule {
        match self.execute() {
            Err(Stop::Broken(rule)) => rule,
            other => panic!("no broken rule: {other:?}"),
        }
    }

    fn abstention(&self, reason: AbstentionReason) -> Abstention {
        match self.execute() {
            Err(Stop::Abstain(abstention)) if abstention.reason() == reason => abstention,
            other => panic!("no abstention {reason:?}: {other:?}"),
        }
    }

    fn missing(&self) -> Missing {
        let mut missing = self.abstention(AbstentionReason::WitnessInsufficient).missing;
        assert_eq!(missing.len(), 1);
        missing.remove(0)
    }

    /// A transfer among a crowd.
    fn transfer() -> Self {
        Self::made("cancun", &crowd(), &[Call(RECIPIENT, 5, TRANSFER_GAS)])
    }

    /// A call of a contract with three slots among a crowd.
    fn of_contract(fork: &str, code: &[u8]) -> Self {
        let storage = BTreeMap::from([(2, 22), (3, 33), (4, 44)]);
        let contract = (CONTRACT, Account { storage, ..Account::with_code(code) });
        Self::made(fork, &[crowd(), vec![contract]].concat(), &[Call(CONTRACT, 0, 200_000)])
    }

    /// The node of the state that holds an account: its leaf, as its key is in no other node.
    fn leaf_of(&self, address: Address) -> Vec<u8> {
        let key = Self::hashed(&address).0;
        let mut found = self.nodes.iter().filter(|node| node.windows(20).any(|window| window == &key[12..]));
        let leaf = found.next().expect("the witness has it").clone();
        assert!(found.next().is_none(), "two nodes with the key of one account");
        leaf
    }

    /// Without one of its nodes.
    fn without_node(mut self, node: &[u8]) -> Self {
        self.nodes.retain(|each| each != node);
        self
    }
}

/// Enough other accounts that every path has branches.
pub fn crowd() -> Vec<(Address, Account)> {
    let account = |index: u64| Account { balance: index + 1, ..Account::default() };
    let address = |index: u64| {
        let mut address = [0; 20];
        address[12..].copy_from_slice(&(index + 0x1000).to_be_bytes());
        address
    };
    (0..40).map(|index| (address(index), account(index))).collect()
}

/// A contract's code that calls `target` with no value and stores whether that succeeded in slot 1.
pub fn calling(target: Address) -> Vec<u8> {
    let mut code = [0x60, 0].repeat(5); // PUSH1 0 five times, which every fork has
    code.push(0x73); // PUSH20
    code.extend(target);
    code.extend([0x5a, 0xf1, 0x60, 1, 0x55]); // GAS CALL PUSH1 1 SSTORE
    code
}

/// A contract's code that stores BLOCKHASH(number) in slot 1.
pub fn storing_block_hash(number: u64) -> Vec<u8> {
    let mut code = vec![0x67]; // PUSH8
    code.extend(number.to_be_bytes());
    code.extend([0x40, 0x60, 1, 0x55]); // BLOCKHASH PUSH1 1 SSTORE
    code
}
