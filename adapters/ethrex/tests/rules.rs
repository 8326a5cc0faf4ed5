//! Every rule that the client checks, broken once; and what it is known not to check.

mod support;

use adapter_host::rpc::{AbstentionReason, Rule};
use adapter_host::testing::scene::Scene as _;
use ethrex_common::types::{BlockHeader, EIP4844Transaction, PrivilegedL2Transaction, Transaction, Withdrawal};
use ethrex_common::{Address, H256, U256};
use support::{Account, BASE_FEE, GAS_LIMIT, Scene, transaction};

const TRANSFER_GAS: u64 = 21_000;
const RECIPIENT: Address = Address::repeat_byte(0x11);

fn scene() -> Scene {
    Scene::new("cancun", &[], vec![transaction(RECIPIENT, 5, TRANSFER_GAS)])
}

#[track_caller]
fn breaks(expected: Rule, change: impl FnOnce(&mut Scene)) -> String {
    let mut scene = scene();
    change(&mut scene);
    let broken = scene.broken_rule();
    assert_eq!(broken.rule(), expected, "{}", broken.detail);
    assert!(!broken.detail.is_empty() && !broken.detail.contains('\n'));
    broken.detail
}

#[test]
fn the_block_itself_breaks_none() {
    scene().computed();
}

#[test]
fn header_rules_against_the_parent() {
    breaks(Rule::Timestamp, |scene| scene.header.timestamp = scene.parent.timestamp);
    breaks(Rule::Number, |scene| {
        scene.parent.number -= 1;
        *scene = scene.clone().bound();
    });
    let detail = breaks(Rule::Number, |scene| scene.header.number = 0);
    assert!(detail.ends_with("0, the parent's is 999"), "{detail}");
    breaks(Rule::GasLimit, |scene| scene.header.gas_limit += GAS_LIMIT / 1024);
    breaks(Rule::GasLimit, |scene| {
        scene.parent.gas_limit = 5000;
        scene.header.gas_limit = 4999;
        *scene = scene.clone().bound();
    });
    let detail = breaks(Rule::BaseFee, |scene| scene.header.base_fee_per_gas = Some(BASE_FEE + 1));
    assert!(detail.contains('8') && detail.contains("15000000"), "{detail}");
    breaks(Rule::ExcessBlobGas, |scene| scene.header.excess_blob_gas = Some(1));
}

#[test]
fn number_0_does_not_follow_the_last_number_of_64_bits() {
    let mut scene = scene();
    (scene.parent.number, scene.header.number) = (u64::MAX, 0);
    scene.bound().abstention(AbstentionReason::Refused);
}

#[test]
fn header_rules_of_the_header_alone() {
    breaks(Rule::GasUsed, |scene| scene.header.gas_used = GAS_LIMIT + 1);
    breaks(Rule::ExtraData, |scene| scene.header.extra_data = vec![0; 33].into());
    breaks(Rule::Difficulty, |scene| scene.header.difficulty = U256::one());
    breaks(Rule::Nonce, |scene| scene.header.nonce = 1);
    breaks(Rule::UnclesHash, |scene| scene.header.ommers_hash = H256::zero());
    breaks(Rule::BlobGasUsed, |scene| scene.header.blob_gas_used = Some(1 << 17));
}

#[test]
fn fields_that_the_fork_does_not_have() {
    breaks(Rule::HeaderFields, |scene| scene.header.requests_hash = Some(H256::zero()));
    breaks(Rule::HeaderFields, |scene| scene.header.parent_beacon_block_root = None);
    let mut scene = Scene::new("shanghai", &[], vec![]);
    scene.header.blob_gas_used = Some(0);
    assert_eq!(scene.broken_rule().rule(), Rule::HeaderFields);
}

#[test]
fn body_rules() {
    let withdrawal = Withdrawal { index: 0, validator_index: 0, address: RECIPIENT, amount: 1 };
    breaks(Rule::TransactionsRoot, |scene| scene.body.transactions.clear());
    breaks(Rule::TransactionsRoot, |scene| scene.header.transactions_root = H256::zero());
    breaks(Rule::WithdrawalsRoot, |scene| scene.header.withdrawals_root = Some(H256::zero()));
    breaks(Rule::WithdrawalsRoot, |scene| scene.body.withdrawals = Some(vec![withdrawal]));
    breaks(Rule::WithdrawalsRoot, |scene| scene.body.withdrawals = None);
    breaks(Rule::Uncles, |scene| scene.body.ommers.push(BlockHeader::default()));
}

#[test]
fn a_block_of_osaka_has_a_maximal_size() {
    let mut scene = Scene::new("prague", &[], vec![]);
    scene.chain_config = support::chain_config("osaka");
    let mut tx = transaction(RECIPIENT, 0, TRANSFER_GAS);
    tx.data = vec![0; 9 << 20].into();
    scene.body.transactions = vec![Transaction::EIP1559Transaction(tx)];
    assert_eq!(scene.bound().broken_rule().rule(), Rule::BlockSize);
}

#[test]
fn blobs_above_the_maximum() {
    let blobs = |count: usize| {
        let mut scene = scene();
        let tx =
            EIP4844Transaction { chain_id: 1, blob_versioned_hashes: vec![H256::zero(); count], ..Default::default() };
        scene.body.transactions = vec![Transaction::EIP4844Transaction(tx)];
        scene.header.blob_gas_used = Some(count as u64 * (1 << 17));
        scene.bound().broken_rule().rule()
    };
    assert_eq!(blobs(7), Rule::BlobGasUsed);
    assert_eq!(blobs(6), Rule::Transaction); // its signature is none
}

#[test]
fn encodings_are_strict() {
    let bytes = scene().block_bytes();
    let damaged = |change: fn(&mut Vec<u8>)| {
        let mut scene = scene();
        let mut block = bytes.clone();
        change(&mut block);
        scene.block = Some(block);
        scene.broken_rule().rule()
    };
    assert_eq!(damaged(|block| block.push(0)), Rule::BlockEncoding);
    assert_eq!(damaged(|block| *block.last_mut().unwrap() = 0x01), Rule::BlockEncoding);

    // The same block with the transaction's nonce written as 0x00 instead of 0x80.
    let mut scene = scene();
    let tx = scene.body.transactions[0].encode_canonical_to_vec();
    let at = bytes.windows(tx.len()).position(|window| window == tx).unwrap();
    let nonce = tx.iter().position(|&byte| byte == 0x80).unwrap();
    let mut block = bytes.clone();
    block[at + nonce] = 0x00;
    scene.block = Some(block);
    assert_eq!(scene.broken_rule().rule(), Rule::BlockEncoding);
}

#[test]
fn transaction_types_of_the_clients_layer_two_are_none_of_ethereum() {
    let mut scene = scene();
    scene.body.transactions = vec![Transaction::PrivilegedL2Transaction(PrivilegedL2Transaction::default())];
    assert_eq!(scene.bound().broken_rule().rule(), Rule::BlockEncoding);
}

#[test]
fn transactions_that_may_not_be_included_are_named_by_index() {
    let good = transaction(RECIPIENT, 1, TRANSFER_GAS);
    let detail_of = |bad: ethrex_common::types::EIP1559Transaction, rule| {
        let broken = Scene::new("cancun", &[], vec![good.clone(), bad]).broken_rule();
        assert_eq!(broken.rule(), rule, "{}", broken.detail);
        assert!(broken.detail.starts_with("transaction 1: "), "{}", broken.detail);
        broken.detail
    };
    let mut bad = transaction(RECIPIENT, 2, TRANSFER_GAS);
    bad.nonce = 7;
    assert!(detail_of(bad, Rule::Transaction).contains("expected 0, got 7"));
    detail_of(transaction(RECIPIENT, 2, TRANSFER_GAS - 1), Rule::Transaction);
    detail_of(transaction(RECIPIENT, u64::MAX, TRANSFER_GAS), Rule::Transaction);
    let mut unsigned = transaction(RECIPIENT, 1, TRANSFER_GAS);
    let mut scene = Scene::new("cancun", &[], vec![good.clone()]);
    unsigned.signature_r = U256::zero();
    scene.body.transactions.push(Transaction::EIP1559Transaction(unsigned));
    let broken = scene.bound().broken_rule();
    assert_eq!(broken.rule(), Rule::Transaction);
    assert!(broken.detail.starts_with("transaction 1: "), "{}", broken.detail);
    detail_of(transaction(RECIPIENT, 2, GAS_LIMIT - TRANSFER_GAS + 1), Rule::BlockGas);
    let mut other_chain = transaction(RECIPIENT, 2, TRANSFER_GAS);
    other_chain.chain_id = 2;
    assert_eq!(Scene::new("cancun", &[], vec![other_chain]).broken_rule().rule(), Rule::Transaction);
}

#[test]
fn system_contracts_have_to_be_there_from_prague_on() {
    let broken = Scene::new("prague", &[], vec![]).broken_rule();
    assert_eq!(broken.rule(), Rule::SystemContract, "{}", broken.detail);
}

#[test]
fn deposit_logs_have_to_have_their_layout() {
    let deposit_contract: Address = "0x00000000219ab540356cbb839cbe05303d7705fa".parse().unwrap();
    let topic = *ethrex_common::constants::DEPOSIT_TOPIC;
    let code = [&[0x7f][..], topic.as_bytes(), &[0x5f, 0x5f, 0xa1]].concat(); // PUSH32 PUSH0 PUSH0 LOG1
    let predeploys = ethrex_vm::system_contracts::system_contracts_for_fork(ethrex_common::types::Fork::Prague);
    let mut accounts: Vec<_> = predeploys.map(|contract| (contract.address, Account::with_code(&[0]))).collect();
    accounts.push((deposit_contract, Account::with_code(&code)));
    let scene = Scene::new("prague", &accounts, vec![transaction(deposit_contract, 0, 100_000)]);
    assert_eq!(scene.broken_rule().rule(), Rule::DepositRequests);
}

// ---- what the client does not check: README.md lists it; a test that fails here is news to be taken there -----------

#[test]
fn a_gas_limit_above_2_to_the_63_passes() {
    let mut scene = scene();
    scene.parent.gas_limit = 1 << 63;
    scene.parent.gas_used = 1 << 62;
    scene.header.gas_limit = 1 << 63;
    scene.bound().computed();
}

#[test]
fn fields_of_later_forks_that_pass() {
    let mut scene = scene();
    scene.header.requests_hash = Some(H256::zero());
    assert_eq!(scene.broken_rule().rule(), Rule::HeaderFields);

    let mut paris = Scene::new("paris", &[], vec![]);
    paris.header.withdrawals_root =
        Some(ethrex_common::types::compute_withdrawals_root(&[], &ethrex_crypto::NativeCrypto));
    paris.body.withdrawals = Some(vec![]);
    assert_eq!(paris.computed().withdrawals_root, None); // differs from the header: the verifier sees it

    let mut shanghai = Scene::new("shanghai", &[], vec![]);
    shanghai.header.withdrawals_root = None;
    shanghai.body.withdrawals = None;
    assert!(shanghai.computed().withdrawals_root.is_some()); // likewise
}
