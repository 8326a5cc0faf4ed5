//! What is told where something is missing, by the contract of all adapters in Rust; and where revm loses the cause.

mod support;

use adapter_host::rpc::Rule;
use adapter_host::testing::scene::Scene as _;
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::keccak256;
use support::{Account, RECIPIENT, Scene, TARGET, TRANSFER_GAS, crowd, legacy, request_contracts, transaction};

adapter_host::witness_contract!(Scene);

// revm only says "incrementing balance in post execution failed".
#[test]
fn a_missing_recipient_of_a_withdrawal_is_named() {
    let mut accounts = crowd();
    accounts.push((TARGET, Account { balance: 1, ..Account::default() }));
    let mut scene = Scene::new("cancun", &accounts, vec![transaction(RECIPIENT, 5, TRANSFER_GAS)]);
    let withdrawal = Withdrawal { index: 0, validator_index: 0, address: TARGET, amount: 1 };
    scene.body.withdrawals = Some(vec![withdrawal].into());
    let scene = scene.bound();
    scene.computed();
    let leaf = scene.leaf_of(TARGET.into_array());
    assert_eq!(scene.without_node(&leaf).missing().hash, keccak256(&leaf).to_vec());
}

#[test]
fn a_missing_system_contract_is_no_broken_rule() {
    let scene = Scene::new("prague", &[crowd(), request_contracts()].concat(), vec![]);
    let leaf = scene.leaf_of(request_contracts()[1].0.into_array());
    assert_eq!(scene.without_node(&leaf).missing().hash, keccak256(&leaf).to_vec());
}

#[test]
fn without_the_parent_the_difficulty_of_proof_of_work_is_left_unchecked() {
    let mut scene = Scene::new("berlin", &crowd(), vec![legacy(RECIPIENT, 5, TRANSFER_GAS)]);
    scene.header.difficulty = scene.parent.difficulty;
    let mut expected = scene.computed();
    scene.headers = Some(vec![]);
    scene.parent_header_optional = true;
    let unchecked = [Rule::Number, Rule::Timestamp, Rule::GasLimit, Rule::Difficulty];
    expected.unchecked_rules = unchecked.map(i32::from).to_vec();
    assert_eq!(scene.computed(), expected);
}
