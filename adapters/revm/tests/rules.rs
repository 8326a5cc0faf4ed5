//! Every rule that this adapter checks, broken once; and what revm is known not to check.

mod support;

use adapter_host::rpc::Rule;
use adapter_host::testing::scene::Scene as _;
use alloy_consensus::{Header, Signed, TxEip1559, TxEip2930, TxEip4844, TxEip7702};
use alloy_eips::eip4844::DATA_GAS_PER_BLOB;
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{Address, B64, B256, Signature, U256};
use alloy_rlp::Encodable;
use revm_adapter::block::Transaction;
use revm_adapter::execution::DEPOSIT_TOPIC;
use support::{
    Account, BASE_FEE, DEPOSIT_CONTRACT, GAS_LIMIT, NUMBER, Scene, legacy, request_contracts, signature, transaction,
    unsigned,
};

const TRANSFER_GAS: u64 = 21_000;
const RECIPIENT: Address = Address::repeat_byte(0x11);

fn scene() -> Scene {
    Scene::new("cancun", &[], vec![transaction(RECIPIENT, 5, TRANSFER_GAS)])
}

fn proof_of_work(fork: &str) -> Scene {
    let mut scene = Scene::new(fork, &[], vec![legacy(RECIPIENT, 5, TRANSFER_GAS)]);
    scene.header.difficulty = scene.parent.difficulty; // 12 seconds after a parent without uncles
    scene
}

#[track_caller]
fn breaks_in(mut scene: Scene, expected: Rule, change: impl FnOnce(&mut Scene)) -> String {
    change(&mut scene);
    let broken = scene.broken_rule();
    assert_eq!(broken.rule(), expected, "{}", broken.detail);
    assert!(!broken.detail.is_empty() && !broken.detail.contains('\n'));
    broken.detail
}

#[track_caller]
fn breaks(expected: Rule, change: impl FnOnce(&mut Scene)) -> String {
    breaks_in(scene(), expected, change)
}

#[test]
fn the_blocks_themselves_break_none() {
    scene().computed();
    for fork in ["byzantium", "petersburg", "istanbul", "muir_glacier", "berlin", "london", "gray_glacier"] {
        proof_of_work(fork).computed();
    }
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
    breaks(Rule::GasLimit, |scene| scene.header.gas_limit -= GAS_LIMIT / 1024);
    let detail = breaks(Rule::BaseFee, |scene| scene.header.base_fee_per_gas = Some(BASE_FEE + 1));
    assert!(detail.starts_with("8 instead of 7") && detail.contains("15000000"), "{detail}");
    breaks(Rule::ExcessBlobGas, |scene| scene.header.excess_blob_gas = Some(1));
    let mut largest = scene();
    largest.header.gas_limit = GAS_LIMIT + GAS_LIMIT / 1024 - 1;
    largest.computed();
}

#[test]
fn header_rules_of_the_header_alone() {
    breaks(Rule::GasUsed, |scene| scene.header.gas_used = GAS_LIMIT + 1);
    breaks(Rule::ExtraData, |scene| scene.header.extra_data = vec![0; 33].into());
    breaks(Rule::Difficulty, |scene| scene.header.difficulty = U256::ONE);
    breaks(Rule::Nonce, |scene| scene.header.nonce = B64::with_last_byte(1));
    breaks(Rule::UnclesHash, |scene| scene.header.ommers_hash = B256::ZERO);
    breaks(Rule::BlobGasUsed, |scene| scene.header.blob_gas_used = Some(DATA_GAS_PER_BLOB));
    for (limit, used) in [(4999, 0), (1 << 63, 1 << 62)] {
        breaks(Rule::GasLimit, |scene| {
            (scene.parent.gas_limit, scene.parent.gas_used, scene.header.gas_limit) = (limit, used, limit);
            *scene = scene.clone().bound();
        });
    }
}

#[test]
fn fields_that_the_fork_does_not_have() {
    breaks(Rule::HeaderFields, |scene| scene.header.requests_hash = Some(B256::ZERO));
    breaks(Rule::HeaderFields, |scene| scene.header.parent_beacon_block_root = None);
    breaks_in(Scene::new("shanghai", &[], vec![]), Rule::HeaderFields, |scene| {
        scene.header.withdrawals_root = None;
        scene.body.withdrawals = None;
    });
    breaks_in(proof_of_work("berlin"), Rule::HeaderFields, |scene| scene.header.base_fee_per_gas = Some(BASE_FEE));
}

#[test]
fn the_first_block_of_london_doubles_the_gas_limit() {
    let first = |gas_limit: u64| {
        let mut scene = Scene::new("london", &[], vec![]);
        scene.parent.base_fee_per_gas = None;
        (scene.header.gas_limit, scene.header.base_fee_per_gas) = (gas_limit, Some(1_000_000_000));
        scene.header.difficulty = scene.parent.difficulty;
        scene.bound()
    };
    first(2 * GAS_LIMIT).computed();
    assert_eq!(first(GAS_LIMIT).broken_rule().rule(), Rule::GasLimit);
    let mut scene = first(2 * GAS_LIMIT);
    scene.header.base_fee_per_gas = Some(BASE_FEE);
    assert_eq!(scene.broken_rule().rule(), Rule::BaseFee);
}

#[test]
fn the_difficulty_of_proof_of_work() {
    let detail = breaks_in(proof_of_work("istanbul"), Rule::Difficulty, |scene| scene.header.difficulty += U256::ONE);
    assert!(detail.contains("2048001 instead of 2048000"), "{detail}");
    let mut merged = Scene::new("paris", &[], vec![]);
    merged.parent.difficulty = U256::from(5);
    merged.chain_config =
        merged.chain_config.replace(r#""terminalTotalDifficulty":0"#, r#""terminalTotalDifficulty":9"#);
    assert_eq!(merged.bound().computed().unchecked_rules, [i32::from(Rule::Difficulty)]);
}

#[test]
fn body_rules() {
    let withdrawal = Withdrawal { index: 0, validator_index: 0, address: RECIPIENT, amount: 1 };
    breaks(Rule::TransactionsRoot, |scene| scene.body.transactions.clear());
    breaks(Rule::TransactionsRoot, |scene| scene.header.transactions_root = B256::ZERO);
    breaks(Rule::WithdrawalsRoot, |scene| scene.header.withdrawals_root = Some(B256::ZERO));
    breaks(Rule::WithdrawalsRoot, |scene| scene.body.withdrawals = Some(vec![withdrawal].into()));
    breaks(Rule::WithdrawalsRoot, |scene| scene.body.withdrawals = None);
    breaks(Rule::UnclesHash, |scene| scene.body.ommers.push(Header::default()));
    breaks_in(Scene::new("paris", &[], vec![]), Rule::WithdrawalsRoot, |scene| {
        scene.body.withdrawals = Some(vec![].into());
    });
}

#[test]
fn a_block_of_osaka_has_a_maximal_size() {
    let with_input = |fork, bytes: usize| {
        let tx = TxEip1559 { input: vec![0; bytes].into(), ..unsigned(RECIPIENT, 0, TRANSFER_GAS) };
        let mut scene = Scene::new(fork, &request_contracts(), vec![]);
        scene.body.transactions = vec![Transaction::Eip1559(Signed::new_unhashed(tx, signature()))];
        scene.bound().broken_rule().rule()
    };
    assert_eq!(with_input("osaka", 8 << 20), Rule::BlockSize);
    assert_eq!(with_input("osaka", 7 << 20), Rule::Transaction); // its gas does not suffice
    assert_eq!(with_input("prague", 8 << 20), Rule::Transaction);
}

fn with_blobs(count: usize) -> Transaction {
    let tx = TxEip4844 {
        chain_id: 1,
        max_fee_per_gas: u128::from(BASE_FEE),
        max_fee_per_blob_gas: 1,
        gas_limit: TRANSFER_GAS,
        blob_versioned_hashes: vec![B256::repeat_byte(1); count], // the first byte is the version
        ..TxEip4844::default()
    };
    Transaction::Eip4844(Signed::new_unhashed(tx, signature()))
}

#[test]
fn blobs_of_a_block_and_of_a_transaction() {
    let scene = |fork, blobs: &[usize]| {
        let transactions: Vec<_> = blobs.iter().map(|&count| with_blobs(count)).collect();
        let contracts = if fork == "cancun" { vec![] } else { request_contracts() };
        let mut scene = Scene::new(fork, &contracts, transactions.iter().take(1).cloned().collect());
        scene.body.transactions = transactions;
        scene.header.blob_gas_used = Some(blobs.iter().sum::<usize>() as u64 * DATA_GAS_PER_BLOB);
        scene.bound()
    };
    assert_eq!(scene("cancun", &[6]).computed().blob_gas_used, Some(6 * DATA_GAS_PER_BLOB));
    assert_eq!(scene("cancun", &[7]).broken_rule().rule(), Rule::BlobGasUsed);
    scene("prague", &[9]).computed();
    assert_eq!(scene("prague", &[5, 5]).broken_rule().rule(), Rule::BlobGasUsed);
    // EIP-7594: at most 6 in one transaction.
    scene("osaka", &[6]).computed();
    assert_eq!(scene("osaka", &[7]).broken_rule().rule(), Rule::Transaction);
    assert_eq!(scene("osaka", &[5, 5]).broken_rule().rule(), Rule::BlobGasUsed);
    assert_eq!(scene("bpo1", &[7, 8]).broken_rule().rule(), Rule::Transaction);
    assert_eq!(scene("bpo1", &[8, 8]).broken_rule().rule(), Rule::BlobGasUsed);
}

#[test]
fn from_osaka_on_a_transaction_has_a_gas_cap() {
    let with_gas = |fork, gas| Scene::new(fork, &request_contracts(), vec![transaction(RECIPIENT, 1, gas)]);
    with_gas("osaka", 1 << 24).computed(); // EIP-7825
    assert_eq!(with_gas("osaka", (1 << 24) + 1).broken_rule().rule(), Rule::Transaction);
    with_gas("prague", (1 << 24) + 1).computed();
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
    let tx = alloy_rlp::encode(&scene.body.transactions[0]);
    let at = bytes.windows(tx.len()).position(|window| window == tx).unwrap();
    let nonce = tx.iter().position(|&byte| byte == 0x80).unwrap();
    let mut block = bytes.clone();
    block[at + nonce] = 0x00;
    scene.block = Some(block);
    assert_eq!(scene.broken_rule().rule(), Rule::BlockEncoding);
}

#[test]
fn transaction_types_have_their_forks() {
    let access_list = Transaction::Eip2930(Signed::new_unhashed(TxEip2930::default(), signature()));
    let dynamic_fee = Transaction::Eip1559(Signed::new_unhashed(TxEip1559::default(), signature()));
    let set_code = Transaction::Eip7702(Signed::new_unhashed(TxEip7702::default(), signature()));
    for (fork, tx) in
        [("istanbul", access_list), ("berlin", dynamic_fee), ("shanghai", with_blobs(1)), ("cancun", set_code)]
    {
        let mut scene = Scene::new(fork, &[], vec![]);
        scene.body.transactions = vec![tx];
        let broken = scene.bound().broken_rule();
        assert_eq!(broken.rule(), Rule::BlockEncoding, "{fork}");
        assert!(broken.detail.starts_with("transaction 0: type"), "{}", broken.detail);
    }
}

#[test]
fn a_transaction_with_its_blobs_is_none_of_a_block() {
    let mut scene = scene();
    let mut tx = Vec::new();
    with_blobs(1).encode(&mut tx);
    // The network's form: [transaction, blobs, commitments, proofs] after the type (EIP-4844).
    let inner = &tx[tx.iter().position(|&byte| byte == 3).unwrap() + 1..];
    let payload = [inner, &[0xc0, 0xc0, 0xc0]].concat();
    let mut pooled = vec![3];
    alloy_rlp::Header { list: true, payload_length: payload.len() }.encode(&mut pooled);
    pooled.extend(payload);
    let mut list = Vec::new();
    pooled.as_slice().encode(&mut list);
    let transactions = adapter_host::testing::rlp::encode_list(&[list]);
    let header = alloy_rlp::encode(&scene.header);
    scene.block = Some(adapter_host::testing::rlp::encode_list(&[header, transactions, vec![0xc0], vec![0xc0]]));
    assert_eq!(scene.broken_rule().rule(), Rule::BlockEncoding);
}

#[test]
fn transactions_that_may_not_be_included_are_named_by_index() {
    let good = transaction(RECIPIENT, 1, TRANSFER_GAS);
    let detail_of = |bad: TxEip1559, rule| {
        let bad = Transaction::Eip1559(Signed::new_unhashed(bad, signature()));
        let broken = Scene::new("cancun", &[], vec![good.clone(), bad]).broken_rule();
        assert_eq!(broken.rule(), rule, "{}", broken.detail);
        assert!(broken.detail.starts_with("transaction 1: "), "{}", broken.detail);
        broken.detail
    };
    let bad = TxEip1559 { nonce: 7, ..unsigned(RECIPIENT, 2, TRANSFER_GAS) };
    assert!(detail_of(bad, Rule::Transaction).contains("nonce"));
    detail_of(unsigned(RECIPIENT, 2, TRANSFER_GAS - 1), Rule::Transaction);
    detail_of(unsigned(RECIPIENT, u64::MAX, TRANSFER_GAS), Rule::Transaction);
    detail_of(unsigned(RECIPIENT, 2, GAS_LIMIT - TRANSFER_GAS + 1), Rule::BlockGas);
    detail_of(TxEip1559 { chain_id: 2, ..unsigned(RECIPIENT, 2, TRANSFER_GAS) }, Rule::Transaction);
    detail_of(TxEip1559 { max_fee_per_gas: 6, ..unsigned(RECIPIENT, 2, TRANSFER_GAS) }, Rule::Transaction);
}

#[test]
fn a_signature_is_of_somebody_and_low() {
    let secp256k1_order: U256 = "0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141".parse().unwrap();
    for wrong in [
        Signature::new(U256::ZERO, U256::ONE, false),
        Signature::new(U256::ONE, secp256k1_order - U256::ONE, true), // EIP-2
    ] {
        let mut scene = Scene::new("cancun", &[], vec![transaction(RECIPIENT, 1, TRANSFER_GAS)]);
        let unsigned = unsigned(RECIPIENT, 1, TRANSFER_GAS);
        scene.body.transactions.push(Transaction::Eip1559(Signed::new_unhashed(unsigned, wrong)));
        let broken = scene.bound().broken_rule();
        assert_eq!(broken.rule(), Rule::Transaction);
        assert!(broken.detail.starts_with("transaction 1: "), "{}", broken.detail);
    }
}

// ---- uncles --------------------------------------------------------------------------------------------------------

/// A block with proof of work whose grandparent is in the witness, and a good uncle of the parent's age.
fn with_uncle() -> (Scene, Header) {
    let mut scene = Scene::new("istanbul", &[], vec![]);
    let grandparent = Header { number: NUMBER - 2, timestamp: 999_976, ..scene.parent.clone() };
    scene.parent.parent_hash = grandparent.hash_slow();
    let uncle = Header { extra_data: vec![1].into(), beneficiary: RECIPIENT, ..scene.parent.clone() };
    scene.ancestors = vec![grandparent];
    scene.header.difficulty = scene.parent.difficulty;
    (scene, uncle)
}

#[test]
fn an_uncle_is_rewarded_and_not_checked_to_the_end() {
    let (mut scene, uncle) = with_uncle();
    scene.body.ommers = vec![uncle];
    let computed = scene.clone().bound().computed();
    assert_eq!(computed.unchecked_rules, [i32::from(Rule::Uncles)]);
    scene.body.ommers.clear();
    assert_ne!(computed.state_root, scene.bound().computed().state_root);
}

#[test]
fn uncles_that_break_a_rule() {
    let objection = |change: &dyn Fn(&mut Scene, Header)| {
        let (mut scene, uncle) = with_uncle();
        change(&mut scene, uncle);
        let broken = scene.bound().broken_rule();
        assert_eq!(broken.rule(), Rule::Uncles, "{}", broken.detail);
        broken.detail
    };
    let with = |change: &dyn Fn(&mut Header)| {
        objection(&|scene, mut uncle| {
            change(&mut uncle);
            scene.body.ommers = vec![uncle];
        })
    };
    assert!(objection(&|scene, uncle| scene.body.ommers = vec![uncle.clone(), uncle]).contains("twice"));
    assert!(objection(&|scene, uncle| scene.body.ommers = vec![uncle; 3]).contains("at most 2"));
    assert!(objection(&|scene, _| scene.body.ommers = vec![scene.parent.clone()]).contains("ancestor"));
    assert!(with(&|uncle| uncle.number = NUMBER - 7).contains("number"));
    assert!(with(&|uncle| uncle.number = NUMBER).contains("number"));
    let sibling = objection(&|scene, uncle| {
        let parent_hash = scene.parent.hash_slow();
        scene.body.ommers = vec![Header { parent_hash, ..uncle }];
    });
    assert!(sibling.contains("sibling"));
    with(&|uncle| uncle.difficulty += U256::ONE);
    with(&|uncle| uncle.timestamp = 0);
    with(&|uncle| uncle.gas_limit *= 2);
    with(&|uncle| uncle.gas_used = GAS_LIMIT + 1);
    with(&|uncle| uncle.extra_data = vec![0; 33].into());
    with(&|uncle| uncle.base_fee_per_gas = Some(BASE_FEE));
    let mut scene = with_uncle().0.bound();
    scene.header.ommers_hash = B256::ZERO;
    assert_eq!(scene.broken_rule().rule(), Rule::UnclesHash);
}

// ---- requests ------------------------------------------------------------------------------------------------------

#[test]
fn a_request_contract_that_fails_breaks_a_rule() {
    for index in 0..2 {
        let mut contracts = request_contracts();
        contracts[index].1 = Account::with_code(&[0xfe]); // INVALID
        let broken = Scene::new("prague", &contracts, vec![]).broken_rule();
        assert_eq!(broken.rule(), Rule::SystemContract, "{}", broken.detail);
    }
}

/// A contract in the place of the deposit contract, whose log starts with the topic and has `size` bytes of zero.
fn deposit_scene(size: u16) -> Scene {
    let deposit_contract: Address = DEPOSIT_CONTRACT.parse().unwrap();
    let [high, low] = size.to_be_bytes();
    let code = [&[0x7f][..], DEPOSIT_TOPIC.as_slice(), &[0x61, high, low, 0x5f, 0xa1]].concat(); // PUSH32 PUSH2 PUSH0 LOG1
    let mut accounts = request_contracts();
    accounts.push((deposit_contract, Account::with_code(&code)));
    Scene::new("prague", &accounts, vec![transaction(deposit_contract, 0, 100_000)])
}

#[test]
fn deposit_logs_have_to_have_their_layout() {
    assert_eq!(deposit_scene(0).broken_rule().rule(), Rule::DepositRequests);
}

// ---- what revm does not check: README.md lists it; a test that fails here is news to be taken there ------------------

#[test]
fn request_contracts_that_are_not_there_pass() {
    assert!(Scene::new("prague", &[], vec![]).computed().requests_hash.is_some());
}

// EIP-6110 wants exactly 576 bytes with the offsets and lengths as given; five offsets of 0 decode as five empty fields.
#[test]
fn deposit_logs_of_another_layout_pass() {
    for size in [160, 576, 1000] {
        let computed = deposit_scene(size).computed();
        let nothing = alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
        assert_eq!(computed.requests_hash.as_deref(), Some(nothing.as_slice()), "{size}");
    }
}
