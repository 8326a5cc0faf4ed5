//! What is computed, and what is told where something is missing. Each trap of revm has its test.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use adapter_host::client::Spent;
use adapter_host::outcome::Stop;
use adapter_host::rpc::AbstentionReason;
use adapter_host::testing::scene::Scene as _;
use adapter_host::witness_file::WitnessFile;
use alloy_consensus::{Header, Signed, TxEip7702, TxLegacy};
use alloy_eips::eip4895::Withdrawal;
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use revm_adapter::block::Transaction;
use revm_adapter::execution::{self, DEPOSIT_TOPIC};
use support::{
    Account, BASE_FEE, COINBASE, CONTRACT, READING_FOR_EVER, RECIPIENT, RICH, Scene, TARGET, TRANSFER_GAS,
    contract_scene, crowd, legacy, request_contracts, sender, signature, state, transaction, transfer,
};

const ETHER: u64 = 1_000_000_000_000_000_000; // wei

/// The state after a block: the crowd's, the sender's, and `others`.
fn root_after(tx: &Transaction, spent: u64, others: Vec<(Address, Account)>) -> Vec<u8> {
    let mut after: BTreeMap<_, _> = crowd().into_iter().collect();
    after.insert(sender(tx), Account { balance: RICH - spent, nonce: 1, ..Account::default() });
    after.extend(others);
    state(&after).0.to_vec()
}

#[test]
fn computes_the_state_after_a_transfer() {
    let tx = transaction(RECIPIENT, 5, TRANSFER_GAS);
    let computed = transfer().computed();
    let recipient = (RECIPIENT, Account { balance: 5, ..Account::default() });
    assert_eq!(computed.state_root, root_after(&tx, 5 + TRANSFER_GAS * BASE_FEE, vec![recipient]));
    assert_eq!(computed.gas_used, TRANSFER_GAS);
    assert_eq!(computed.logs_bloom, vec![0; 256]);
    assert_eq!((computed.blob_gas_used, computed.requests_hash), (Some(0), None));
    let [receipt] = &computed.receipts[..] else { panic!("{:?}", computed.receipts) };
    assert_eq!((receipt.succeeded, receipt.cumulative_gas_used), (Some(true), TRANSFER_GAS));
    assert_eq!(receipt.logs_hash, keccak256([0xc0]).to_vec());
}

#[test]
fn computes_the_state_after_a_write_to_storage() {
    let code = [0x60, 9, 0x60, 2, 0x55, 0x60, 0, 0x60, 3, 0x55]; // slot 2 becomes 9, slot 3 nothing
    let computed = contract_scene("shanghai", &code).computed();
    let storage = BTreeMap::from([(2, 9), (4, 44)]);
    let contract = (CONTRACT, Account { storage, ..Account::with_code(&code) });
    let spent = computed.gas_used * BASE_FEE;
    assert_eq!(computed.state_root, root_after(&transaction(CONTRACT, 0, 200_000), spent, vec![contract]));
    assert_eq!((computed.blob_gas_used, computed.withdrawals_root.is_some()), (None, true));
}

#[test]
fn a_block_of_proof_of_work_pays_its_reward() {
    for (fork, ether) in [("byzantium", 3), ("petersburg", 2), ("berlin", 2)] {
        let tx = legacy(RECIPIENT, 5, TRANSFER_GAS);
        let mut scene = Scene::new(fork, &crowd(), vec![tx.clone()]);
        scene.header.difficulty = scene.parent.difficulty;
        let computed = scene.computed();
        let others = vec![
            (RECIPIENT, Account { balance: 5, ..Account::default() }),
            (COINBASE, Account { balance: ether * ETHER + TRANSFER_GAS * BASE_FEE, ..Account::default() }),
        ];
        assert_eq!(computed.state_root, root_after(&tx, 5 + TRANSFER_GAS * BASE_FEE, others), "{fork}");
        assert_eq!(computed.receipts[0].succeeded, Some(true));
    }
}

#[test]
fn withdrawals_are_paid_in_gwei() {
    let mut scene = transfer();
    let withdrawal = |address, amount| Withdrawal { index: 0, validator_index: 0, address, amount };
    scene.body.withdrawals = Some(vec![withdrawal(TARGET, 3), withdrawal(TARGET, 4), withdrawal(CONTRACT, 0)].into());
    let others = vec![
        (RECIPIENT, Account { balance: 5, ..Account::default() }),
        (TARGET, Account { balance: 7_000_000_000, ..Account::default() }),
    ];
    let tx = transaction(RECIPIENT, 5, TRANSFER_GAS);
    let computed = scene.bound().computed();
    assert_eq!(computed.state_root, root_after(&tx, 5 + TRANSFER_GAS * BASE_FEE, others));
}

/// Slot 9 becomes 7, and no code is left: PUSH1 7 PUSH1 9 SSTORE.
const INIT_CODE: [u8; 5] = [0x60, 7, 0x60, 9, 0x55];
const FACTORY: Address = Address::repeat_byte(0xfa);

/// A contract that creates one with `INIT_CODE`, and where that comes to be (EIP-1014).
fn factory() -> (Account, Address) {
    // PUSH5 init code, PUSH0 MSTORE, CREATE2(value 0, offset 27, size 5, salt 0)
    let code = [&[0x64][..], &INIT_CODE, &[0x5f, 0x52, 0x5f, 0x60, 5, 0x60, 27, 0x5f, 0xf5]].concat();
    (Account { nonce: 1, ..Account::with_code(&code) }, FACTORY.create2_from_code(B256::ZERO, INIT_CODE))
}

#[test]
fn an_account_destroyed_and_created_again_in_one_block_starts_without_storage() {
    let (creator, child) = factory();
    let destroyed = Account {
        nonce: 1,
        storage: BTreeMap::from([(1, 11), (2, 22), (9, 99)]),
        ..Account::with_code(&[0x33, 0xff]) // CALLER SELFDESTRUCT
    };
    let mut accounts = crowd();
    accounts.extend([(child, destroyed), (FACTORY, creator.clone())]);
    let transactions = vec![transaction(child, 0, 100_000), transaction(FACTORY, 0, 200_000)];
    let computed = Scene::new("shanghai", &accounts, transactions.clone()).computed();

    let mut after: BTreeMap<_, _> = crowd().into_iter().collect();
    let mut gas_before = 0;
    for (tx, receipt) in transactions.iter().zip(&computed.receipts) {
        let gas = receipt.cumulative_gas_used - gas_before;
        gas_before = receipt.cumulative_gas_used;
        after.insert(sender(tx), Account { balance: RICH - gas * BASE_FEE, nonce: 1, ..Account::default() });
    }
    after.insert(FACTORY, Account { nonce: 2, ..creator });
    after.insert(child, Account { nonce: 1, storage: BTreeMap::from([(9, 7)]), ..Account::default() });
    assert_eq!(computed.state_root, state(&after).0.to_vec());
}

// A finding (README.md): by EIP-7610 the creation fails.
#[test]
fn storage_alone_does_not_prevent_a_creation() {
    let (creator, child) = factory();
    let mut accounts = crowd();
    let storage = BTreeMap::from([(1, 11)]);
    accounts.extend([(child, Account { storage, ..Account::default() }), (FACTORY, creator.clone())]);
    let tx = transaction(FACTORY, 0, 200_000);
    let computed = Scene::new("shanghai", &accounts, vec![tx.clone()]).computed();
    let storage = BTreeMap::from([(1, 11), (9, 7)]);
    let others =
        vec![(FACTORY, Account { nonce: 2, ..creator }), (child, Account { nonce: 1, storage, ..Account::default() })];
    assert_eq!(computed.state_root, root_after(&tx, computed.gas_used * BASE_FEE, others));
}

#[test]
fn an_account_that_is_destroyed_is_no_more() {
    let mut accounts = crowd();
    accounts.push((CONTRACT, Account { storage: BTreeMap::from([(1, 1)]), ..Account::with_code(&[0x33, 0xff]) }));
    let tx = transaction(CONTRACT, 0, 100_000);
    let computed = Scene::new("shanghai", &accounts, vec![tx.clone()]).computed();
    assert_eq!(computed.state_root, root_after(&tx, computed.gas_used * BASE_FEE, vec![]));
}

#[test]
fn code_may_be_delegated_from_prague_on() {
    let authority_and_target = |fork: &str| {
        let authorization = Authorization { chain_id: U256::ONE, address: TARGET, nonce: 0 };
        let signed = SignedAuthorization::new_unchecked(authorization, 0, U256::from(3), U256::from(3));
        let authority = signed.recover_authority().unwrap();
        let tx = TxEip7702 {
            chain_id: 1,
            gas_limit: 200_000,
            max_fee_per_gas: u128::from(BASE_FEE),
            to: authority,
            authorization_list: vec![signed],
            ..TxEip7702::default()
        };
        let tx = Transaction::Eip7702(Signed::new_unhashed(tx, signature()));
        let mut accounts = [crowd(), request_contracts()].concat();
        accounts.push((TARGET, Account::with_code(&[0x60, 9, 0x60, 2, 0x55])));
        (authority, tx.clone(), Scene::new(fork, &accounts, vec![tx]))
    };
    let (authority, tx, scene) = authority_and_target("prague");
    let computed = scene.computed();
    let delegation = [&[0xef, 0x01, 0x00][..], TARGET.as_slice()].concat();
    let mut others = request_contracts();
    others.push((TARGET, Account::with_code(&[0x60, 9, 0x60, 2, 0x55])));
    let storage = BTreeMap::from([(2, 9)]);
    others.push((authority, Account { nonce: 1, storage, ..Account::with_code(&delegation) }));
    assert_eq!(computed.state_root, root_after(&tx, computed.gas_used * BASE_FEE, others));
}

#[test]
fn code_that_only_looks_like_a_delegation_is_code() {
    let delegation = [&[0xef, 0x01, 0x00][..], TARGET.as_slice()].concat();
    for (fork, code, succeeds) in [
        ("shanghai", delegation.clone(), false), // 0xef is no instruction
        ("prague", delegation, true),
        ("prague", vec![0xef, 0x01], false),
        ("prague", vec![0xef, 0x01, 0x01], false),
    ] {
        let mut accounts = [crowd(), request_contracts()].concat();
        accounts.push((CONTRACT, Account::with_code(&code)));
        let computed = Scene::new(fork, &accounts, vec![transaction(CONTRACT, 0, 100_000)]).computed();
        assert_eq!(computed.receipts[0].succeeded, Some(succeeds), "{fork} {code:02x?}");
    }
}

#[test]
fn computes_and_does_not_compare() {
    let expected = transfer().computed();
    let mut scene = transfer();
    scene.header.gas_used = 1;
    scene.header.state_root = B256::repeat_byte(1);
    scene.header.receipts_root = B256::repeat_byte(2);
    scene.header.logs_bloom = [3; 256].into();
    assert_eq!(scene.computed(), expected);
}

#[test]
fn each_fork_has_its_own_results() {
    let results = |fork| {
        let computed = Scene::new(fork, &[crowd(), request_contracts()].concat(), vec![]).computed();
        (computed.withdrawals_root.is_some(), computed.blob_gas_used.is_some(), computed.requests_hash.is_some())
    };
    assert_eq!(results("paris"), (false, false, false));
    assert_eq!(results("shanghai"), (true, false, false));
    assert_eq!(results("cancun"), (true, true, false));
    for fork in ["prague", "osaka", "bpo1"] {
        assert_eq!(results(fork), (true, true, true));
    }
}

// ---- the bond between request, file and block ----------------------------------------------------------------------

#[test]
fn forks_that_revm_lacks_are_unsupported() {
    for config in [
        r#"{"chainId":1,"eip158Block":0}"#,
        r#"{"chainId":1,"byzantiumBlock":0,"constantinopleBlock":0}"#, // EIP-1283, which Petersburg took back
        r#"{"chainId":1,"shanghaiTime":0,"amsterdamTime":0}"#,
        r#"{"chainId":1,"shanghaiTime":0,"hegotaTime":0}"#,
        r#"{"chainId":1,"londonBlock":0,"clique":{"period":1}}"#,
    ] {
        let mut scene = transfer();
        scene.chain_config = config.to_owned();
        scene.block = Some([scene.block_bytes(), vec![0]].concat()); // also where the block could not be decoded
        scene.abstention(AbstentionReason::UnsupportedFork);
    }
}

#[test]
fn a_blob_schedule_that_cannot_be_used_is_refused() {
    let mut scene = Scene::new("bpo1", &request_contracts(), vec![]);
    scene.computed();
    scene.chain_config = scene.chain_config.replace(r#""max":15"#, r#""max":0"#);
    assert!(scene.abstention(AbstentionReason::Refused).detail.contains("blobSchedule.bpo1"));
}

#[test]
fn deposits_are_not_guessed_where_no_deposit_contract_is_configured() {
    let code = [&[0x7f][..], DEPOSIT_TOPIC.as_slice(), &[0x5f, 0x5f, 0xa1]].concat(); // PUSH32 PUSH0 PUSH0 LOG1
    let mut accounts = request_contracts();
    accounts.push((CONTRACT, Account::with_code(&code)));
    let Transaction::Legacy(tx) = legacy(CONTRACT, 0, 100_000) else { unreachable!("it is a legacy transaction") };
    let of_any_chain = TxLegacy { chain_id: None, ..tx.strip_signature() };
    let tx = Transaction::Legacy(Signed::new_unhashed(of_any_chain, signature()));
    let mut scene = Scene::new("prague", &accounts, vec![tx]);
    scene.computed();
    scene.chain_config = scene.chain_config.replace("depositContractAddress", "anotherAddress");
    scene.computed(); // mainnet's is known without the configuration
    scene.chain_config = scene.chain_config.replace(r#""chainId":1"#, r#""chainId":7"#);
    scene.chain_id = 7;
    assert!(scene.abstention(AbstentionReason::Refused).detail.contains("deposit contract"));
}

#[test]
fn a_request_that_is_over_stops_at_its_next_read() {
    let mut scene = contract_scene("cancun", &READING_FOR_EVER);
    scene = Scene { header: Header { gas_limit: 1 << 50, ..scene.header }, ..scene };
    scene.parent.gas_limit = 1 << 50;
    scene.parent.gas_used = 1 << 49;
    let file = Arc::new(WitnessFile::from_bytes(scene.clone().bound().file().into()).ok().unwrap());
    let over = Arc::new(AtomicBool::new(true));
    let question = scene.bound().question();
    assert!(matches!(execution::execute(file, &question, over, &mut Spent::default(), None).0, Err(Stop::Cancelled)));
}

#[test]
fn logs_are_hashed_one_receipt_at_a_time() {
    let code = [0x60, 0xaa, 0x60, 0, 0x60, 0, 0xa1, 0x60, 0, 0x60, 0, 0xa0]; // LOG1 with topic 0xaa, LOG0
    let computed = contract_scene("cancun", &code).computed();
    let log = |topics: Vec<B256>| alloy_primitives::Log::new_unchecked(CONTRACT, topics, Bytes::new());
    let mut logs = Vec::new();
    alloy_rlp::encode_list(&[log(vec![B256::with_last_byte(0xaa)]), log(vec![])], &mut logs);
    assert_eq!(computed.receipts[0].logs_hash, keccak256(logs).to_vec());
    assert_ne!(computed.logs_bloom, vec![0; 256]);
}
