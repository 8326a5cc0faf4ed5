//! What is computed, and what is told where something is missing. Each trap of the client has its test.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use adapter_host::client::Spent;
use adapter_host::outcome::Stop;
use adapter_host::rpc::AbstentionReason;
use adapter_host::testing::scene::{self, Scene as _, TRANSFER_GAS};
use adapter_host::witness_file::WitnessFile;
use ethrex_adapter::execution;
use ethrex_common::types::BlockHeader;
use ethrex_common::{Address, H256};
use support::{Account, BASE_FEE, READING_FOR_EVER, RICH, Scene, crowd, hashed, sender, state, transaction};

const RECIPIENT: Address = ethrex_common::H160(scene::RECIPIENT);
const CONTRACT: Address = ethrex_common::H160(scene::CONTRACT);

fn transfer() -> Scene {
    scene::Scene::transfer()
}

fn contract_scene(fork: &str, code: &[u8]) -> Scene {
    scene::Scene::of_contract(fork, code)
}

#[test]
fn computes_the_state_after_a_transfer() {
    let tx = transaction(RECIPIENT, 5, TRANSFER_GAS);
    let computed = transfer().computed();
    let mut after: BTreeMap<_, _> = crowd().into_iter().collect();
    let paid = 5 + TRANSFER_GAS * BASE_FEE;
    after.insert(sender(&tx), Account { balance: RICH - paid, nonce: 1, ..Account::default() });
    after.insert(RECIPIENT, Account { balance: 5, ..Account::default() });
    assert_eq!(computed.state_root, state(&after).0.as_bytes());
    assert_eq!(computed.gas_used, TRANSFER_GAS);
    assert_eq!(computed.logs_bloom, vec![0; 256]);
    assert_eq!((computed.blob_gas_used, computed.requests_hash), (Some(0), None));
    let [receipt] = &computed.receipts[..] else { panic!("{:?}", computed.receipts) };
    assert_eq!((receipt.succeeded, receipt.cumulative_gas_used), (Some(true), TRANSFER_GAS));
    assert_eq!(receipt.logs_hash, hashed([0xc0]).as_bytes());
}

#[test]
fn computes_the_state_after_a_write_to_storage() {
    let scene = contract_scene("shanghai", &[0x60, 9, 0x60, 2, 0x55]); // PUSH1 9 PUSH1 2 SSTORE
    let computed = scene.computed();
    let gas = computed.gas_used;
    let mut after: BTreeMap<_, _> = crowd().into_iter().collect();
    let storage = BTreeMap::from([(2, 9), (3, 33), (4, 44)]);
    after.insert(CONTRACT, Account { storage, ..Account::with_code(&[0x60, 9, 0x60, 2, 0x55]) });
    let tx = transaction(CONTRACT, 0, 200_000);
    after.insert(sender(&tx), Account { balance: RICH - gas * BASE_FEE, nonce: 1, ..Account::default() });
    assert_eq!(computed.state_root, state(&after).0.as_bytes());
    assert_eq!((computed.blob_gas_used, computed.withdrawals_root.is_some()), (None, true));
}

#[test]
fn an_account_destroyed_and_created_again_in_one_block_starts_without_storage() {
    let init_code = [0x60, 7, 0x60, 9, 0x55]; // PUSH1 7 PUSH1 9 SSTORE
    let factory = Address::repeat_byte(0xfa);
    // PUSH5 init code, PUSH0 MSTORE, CREATE2(value 0, offset 27, size 5, salt 0)
    let creating = [&[0x64][..], &init_code, &[0x5f, 0x52, 0x5f, 0x60, 5, 0x60, 27, 0x5f, 0xf5]].concat();
    let place = [&[0xff][..], factory.as_bytes(), &[0; 32], hashed(init_code).as_bytes()].concat();
    let child = Address::from_slice(&hashed(place).as_bytes()[12..]); // EIP-1014
    let destroyed = Account {
        nonce: 1,
        storage: BTreeMap::from([(1, 11), (2, 22), (9, 99)]),
        ..Account::with_code(&[0x33, 0xff]) // CALLER SELFDESTRUCT
    };
    let creator = Account { nonce: 1, ..Account::with_code(&creating) };
    let mut accounts = crowd();
    accounts.extend([(child, destroyed), (factory, creator.clone())]);
    let transactions = vec![transaction(child, 0, 100_000), transaction(factory, 0, 200_000)];
    let computed = Scene::new("shanghai", &accounts, transactions.clone()).computed();

    let mut after: BTreeMap<_, _> = crowd().into_iter().collect();
    let mut gas_before = 0;
    for (tx, receipt) in transactions.iter().zip(&computed.receipts) {
        let gas = receipt.cumulative_gas_used - gas_before;
        gas_before = receipt.cumulative_gas_used;
        after.insert(sender(tx), Account { balance: RICH - gas * BASE_FEE, nonce: 1, ..Account::default() });
    }
    after.insert(factory, Account { nonce: 2, ..creator });
    after.insert(child, Account { nonce: 1, storage: BTreeMap::from([(9, 7)]), ..Account::default() });
    assert_eq!(computed.state_root, state(&after).0.as_bytes());
}

#[test]
fn computes_and_does_not_compare() {
    let expected = transfer().computed();
    let mut scene = transfer();
    scene.header.gas_used = 1;
    scene.header.state_root = H256::repeat_byte(1);
    scene.header.receipts_root = H256::repeat_byte(2);
    scene.header.logs_bloom = [3; 256].into();
    assert_eq!(scene.computed(), expected);
}

#[test]
fn each_fork_has_its_own_results() {
    let results = |fork| {
        let mut accounts = crowd();
        // Request predeploys (EIP-7002, EIP-7251, EIP-8282): one STOP, so that nothing is requested.
        for address in ethrex_vm::system_contracts::system_contracts_for_fork(ethrex_common::types::Fork::Amsterdam) {
            accounts.push((address.address, Account::with_code(&[0])));
        }
        let computed = Scene::new(fork, &accounts, vec![]).computed();
        (
            computed.withdrawals_root.is_some(),
            computed.blob_gas_used.is_some(),
            computed.requests_hash.is_some(),
            computed.block_access_list_hash.is_some(),
        )
    };
    assert_eq!(results("paris"), (false, false, false, false));
    assert_eq!(results("shanghai"), (true, false, false, false));
    assert_eq!(results("cancun"), (true, true, false, false));
    assert_eq!(results("prague"), (true, true, true, false));
    assert_eq!(results("amsterdam"), (true, true, true, true));
}

#[test]
fn forks_that_the_client_lacks_are_unsupported() {
    for config in [r#"{"chainId":1,"londonBlock":0}"#, r#"{"chainId":1,"shanghaiTime":0,"hegotaTime":0}"#] {
        let mut scene = transfer();
        scene.chain_config = config.to_owned();
        scene.block = Some([scene.block_bytes(), vec![0]].concat()); // also where the block could not be decoded
        scene.abstention(AbstentionReason::UnsupportedFork);
    }
}

#[test]
fn deposits_are_not_guessed_where_no_deposit_contract_is_configured() {
    let topic = *ethrex_common::constants::DEPOSIT_TOPIC;
    let code = [&[0x7f][..], topic.as_bytes(), &[0x5f, 0x5f, 0xa1]].concat(); // PUSH32 PUSH0 PUSH0 LOG1
    let mut accounts = vec![(CONTRACT, Account::with_code(&code))];
    for address in ethrex_vm::system_contracts::system_contracts_for_fork(ethrex_common::types::Fork::Prague) {
        accounts.push((address.address, Account::with_code(&[0])));
    }
    let mut scene = Scene::new("prague", &accounts, vec![transaction(CONTRACT, 0, 100_000)]);
    scene.computed();
    scene.chain_config =
        r#"{"chainId":1,"terminalTotalDifficulty":0,"shanghaiTime":0,"cancunTime":0,"pragueTime":0}"#.into();
    assert!(scene.abstention(AbstentionReason::Refused).detail.contains("deposit contract"));
}

#[test]
fn a_request_that_is_over_stops_at_its_next_read() {
    let mut scene = contract_scene("cancun", &READING_FOR_EVER);
    scene = Scene { header: BlockHeader { gas_limit: 1 << 50, ..scene.header }, ..scene };
    scene.parent.gas_limit = 1 << 50;
    scene.parent.gas_used = 1 << 49;
    let file = Arc::new(WitnessFile::from_bytes(scene.clone().bound().file().into()).unwrap());
    let over = Arc::new(AtomicBool::new(true));
    let question = scene.bound().question();
    assert!(matches!(execution::execute(file, &question, over, &mut Spent::default()).0, Err(Stop::Cancelled)));
}
