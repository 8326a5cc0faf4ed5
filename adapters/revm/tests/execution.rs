//! What is computed, and what is told where something is missing. Each trap of revm has its test.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use adapter_host::client::Spent;
use adapter_host::hash::Hash;
use adapter_host::outcome::Stop;
use adapter_host::rpc::missing::Kind;
use adapter_host::rpc::{AbstentionReason, Rule};
use adapter_host::witness_file::WitnessFile;
use alloy_consensus::{Header, Signed, TxEip7702, TxLegacy};
use alloy_eips::eip4895::Withdrawal;
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use revm_adapter::block::Transaction;
use revm_adapter::execution::{self, DEPOSIT_TOPIC};
use support::{
    Account, BASE_FEE, COINBASE, NUMBER, READING_FOR_EVER, RICH, Scene, calling, legacy, request_contracts, sender,
    signature, state, storing_block_hash, transaction, trie,
};

const TRANSFER_GAS: u64 = 21_000;
const ETHER: u64 = 1_000_000_000_000_000_000; // wei
const RECIPIENT: Address = Address::repeat_byte(0x11);
const CONTRACT: Address = Address::repeat_byte(0xc0);
const TARGET: Address = Address::repeat_byte(0x77);

/// Enough other accounts that every path has branches.
fn crowd() -> Vec<(Address, Account)> {
    let account = |index: u64| Account { balance: index + 1, ..Account::default() };
    (0..40).map(|index| (Address::from_word(B256::from(U256::from(index + 0x1000))), account(index))).collect()
}

fn transfer() -> Scene {
    Scene::new("cancun", &crowd(), vec![transaction(RECIPIENT, 5, TRANSFER_GAS)])
}

fn contract_scene(fork: &str, code: &[u8]) -> Scene {
    let mut accounts = crowd();
    let storage = BTreeMap::from([(2, 22), (3, 33), (4, 44)]);
    accounts.push((CONTRACT, Account { storage, ..Account::with_code(code) }));
    Scene::new(fork, &accounts, vec![transaction(CONTRACT, 0, 200_000)])
}

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

#[test]
fn an_account_destroyed_and_created_again_in_one_block_starts_without_storage() {
    let init_code = [0x60, 7, 0x60, 9, 0x55]; // PUSH1 7 PUSH1 9 SSTORE
    let factory = Address::repeat_byte(0xfa);
    // PUSH5 init code, PUSH0 MSTORE, CREATE2(value 0, offset 27, size 5, salt 0)
    let creating = [&[0x64][..], &init_code, &[0x5f, 0x52, 0x5f, 0x60, 5, 0x60, 27, 0x5f, 0xf5]].concat();
    let child = factory.create2_from_code(B256::ZERO, init_code);
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
    assert_eq!(computed.state_root, state(&after).0.to_vec());
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

// ---- missing is missing -------------------------------------------------------------------------------------------

#[test]
fn every_node_dropped_in_turn_is_named_or_not_needed() {
    for complete in [transfer(), contract_scene("cancun", &[0x5f, 0x60, 2, 0x55])] {
        let expected = complete.computed();
        let mut named = 0;
        for index in 0..complete.nodes.len() {
            let mut scene = complete.clone();
            let dropped = scene.nodes.remove(index);
            match scene.execute() {
                Ok(computed) => assert_eq!(computed, expected),
                Err(_) => {
                    let missing = scene.missing();
                    assert_eq!((missing.kind(), &missing.hash[..]), (Kind::Node, keccak256(&dropped).as_slice()));
                    assert!(!missing.r#where.is_empty());
                    named += 1;
                }
            }
        }
        assert!(named >= 4, "{named}");
    }
}

#[test]
fn a_missing_code_is_named_also_where_only_its_size_is_asked() {
    let size_of = [&[0x73][..], TARGET.as_slice(), &[0x3b, 0x50]].concat(); // PUSH20 EXTCODESIZE POP
    let copy_of = [&[0x5f, 0x5f, 0x5f, 0x73][..], TARGET.as_slice(), &[0x3c]].concat(); // EXTCODECOPY
    for code in [size_of, copy_of, calling(TARGET)] {
        let accounts = [(CONTRACT, Account::with_code(&code)), (TARGET, Account::with_code(&[0x5b; 3]))];
        let mut scene = Scene::new("cancun", &accounts, vec![transaction(CONTRACT, 0, 200_000)]);
        scene.computed();
        scene.codes.retain(|code| code != &[0x5b; 3]);
        let missing = scene.missing();
        assert_eq!((missing.kind(), &missing.hash[..]), (Kind::Code, keccak256([0x5b; 3]).as_slice()));
    }
}

/// The node of the state that holds an account: its leaf, as its key is in no other node.
fn leaf_of(scene: &Scene, address: Address) -> Vec<u8> {
    let key = keccak256(address);
    let is_leaf = |node: &&Vec<u8>| node.windows(20).any(|window| window == &key[12..]);
    let mut found = scene.nodes.iter().filter(is_leaf);
    let leaf = found.next().unwrap().clone();
    assert!(found.next().is_none());
    leaf
}

#[test]
fn a_missing_target_of_a_call_without_value_is_named() {
    let mut accounts = crowd();
    accounts.push((CONTRACT, Account::with_code(&calling(TARGET))));
    accounts.push((TARGET, Account { balance: 1, ..Account::default() }));
    let mut scene = Scene::new("cancun", &accounts, vec![transaction(CONTRACT, 0, 200_000)]);
    let leaf = leaf_of(&scene, TARGET);
    scene.computed();
    scene.nodes.retain(|node| *node != leaf);
    let missing = scene.missing();
    assert_eq!(missing.hash, keccak256(&leaf).to_vec());
    assert!(missing.r#where.contains(&format!("{TARGET:#x}")), "{}", missing.r#where);
}

#[test]
fn a_missing_sender_is_no_broken_rule() {
    let mut scene = transfer();
    let leaf = leaf_of(&scene, sender(&transaction(RECIPIENT, 5, TRANSFER_GAS)));
    scene.nodes.retain(|node| *node != leaf);
    assert_eq!(scene.missing().hash, keccak256(&leaf).to_vec());
}

// revm only says "incrementing balance in post execution failed".
#[test]
fn a_missing_recipient_of_a_withdrawal_is_named() {
    let mut accounts = crowd();
    accounts.push((TARGET, Account { balance: 1, ..Account::default() }));
    let mut scene = Scene::new("cancun", &accounts, vec![transaction(RECIPIENT, 5, TRANSFER_GAS)]);
    let withdrawal = Withdrawal { index: 0, validator_index: 0, address: TARGET, amount: 1 };
    scene.body.withdrawals = Some(vec![withdrawal].into());
    let mut scene = scene.bound();
    scene.computed();
    let leaf = leaf_of(&scene, TARGET);
    scene.nodes.retain(|node| *node != leaf);
    assert_eq!(scene.missing().hash, keccak256(&leaf).to_vec());
}

#[test]
fn a_missing_system_contract_is_no_broken_rule() {
    let mut scene = Scene::new("prague", &[crowd(), request_contracts()].concat(), vec![]);
    let leaf = leaf_of(&scene, request_contracts()[1].0);
    scene.nodes.retain(|node| *node != leaf);
    assert_eq!(scene.missing().hash, keccak256(&leaf).to_vec());
}

#[test]
fn a_node_that_is_not_well_formed_is_missing_where_it_is_used() {
    let two_hashes = [[vec![0xa0], vec![7; 32]].concat(), [vec![0xa0], vec![8; 32]].concat()].concat();
    let long_reference = [vec![0xb8, 60], vec![9; 60]].concat();
    let branch = |children: &[u8], empty: usize| {
        let payload = [children, &vec![0x80; empty][..]].concat();
        [vec![0xf8, payload.len() as u8], payload].concat()
    };
    let empty_extension = [vec![0xe2, 0x00, 0xa0], vec![7; 32]].concat();
    for node in [branch(&long_reference, 16), branch(&two_hashes, 14), empty_extension, vec![0xc0], vec![5; 90]] {
        let mut scene = transfer();
        scene.pre_state_root = keccak256(&node);
        scene.parent.state_root = scene.pre_state_root;
        scene.nodes = vec![node.clone()];
        let missing = scene.bound().missing();
        assert_eq!(missing.hash, keccak256(&node).to_vec());
        assert!(missing.r#where.contains("not a well-formed trie node"), "{}", missing.r#where);
    }
}

#[test]
fn a_value_that_is_not_well_formed_is_missing() {
    let sender = sender(&transaction(RECIPIENT, 5, TRANSFER_GAS));
    let five_items = [&[0xf8, 69, 1, 1, 0xa0][..], &[7; 32], &[0xa0], &[8; 32], &[0x80]].concat();
    let long_balance = [&[0xf8, 69, 1, 0x81, 1, 0xa0][..], &[7; 32], &[0xa0], &[8; 32]].concat();
    for account in [vec![0xc3, 1, 2, 3], five_items, long_balance] {
        let mut scene = transfer();
        let (root, nodes) = trie([(keccak256(sender), account)]);
        (scene.pre_state_root, scene.parent.state_root, scene.nodes) = (root, root, nodes);
        let missing = scene.bound().missing();
        assert_eq!(missing.hash, root.to_vec());
        assert!(missing.r#where.contains("value is not well-formed"), "{}", missing.r#where);
    }
}

#[test]
fn nodes_that_refer_to_each_other_many_times_do_not_multiply() {
    // Sixteen equal children on each of 64 levels: put together one by one they would be 16^64 nodes.
    let mut node = [vec![0xe7, 0x20, 0xa5], vec![1; 37]].concat();
    let mut nodes = vec![node.clone()];
    for _ in 0..64 {
        let child = [&[0xa0][..], keccak256(&node).as_slice()].concat();
        let payload = [child.repeat(16), vec![0x80]].concat();
        node = [vec![0xf9, (payload.len() >> 8) as u8, payload.len() as u8], payload].concat();
        nodes.push(node.clone());
    }
    let mut scene = transfer();
    scene.pre_state_root = keccak256(&node);
    scene.parent.state_root = scene.pre_state_root;
    scene.nodes = nodes;
    assert!(scene.bound().missing().r#where.contains("value is not well-formed"));
}

#[test]
fn nodes_nobody_needs_do_no_harm() {
    let expected = transfer().computed();
    let mut scene = transfer();
    scene.nodes.extend([vec![], vec![0x80], vec![0xc0], vec![0xff; 50], vec![0xf8, 0xff, 1]]);
    scene.codes.extend([vec![], vec![0xfe; 10]]);
    assert_eq!(scene.computed(), expected);
}

// ---- ancestors ----------------------------------------------------------------------------------------------------

fn with_ancestors(count: u64, asked: u64) -> Scene {
    let mut scene = contract_scene("cancun", &storing_block_hash(asked));
    let mut parent_hash = B256::repeat_byte(0xaa);
    for number in NUMBER - 1 - count..NUMBER - 1 {
        let ancestor = Header { number, parent_hash, ..Header::default() };
        parent_hash = ancestor.hash_slow();
        scene.ancestors.push(ancestor);
    }
    scene.parent.parent_hash = parent_hash;
    scene.bound()
}

#[test]
fn a_block_hash_is_answered_where_the_headers_prove_it() {
    // The lowest header names the hash of the one below it.
    let roots: Vec<_> = (1..=5).map(|distance| with_ancestors(3, NUMBER - distance).computed().state_root).collect();
    let distinct: std::collections::BTreeSet<_> = roots.iter().collect();
    assert_eq!(distinct.len(), 5);
}

#[test]
fn a_vouched_ancestor_answers_where_no_header_does() {
    let root_with = |scene: &Scene, vouched: Option<(u64, u8)>| {
        let mut question = scene.question();
        question.ancestor_hashes.extend(vouched.map(|(number, byte)| (number, Hash([byte; 32]))));
        scene.ask(&question).expect("computed").state_root.to_vec()
    };
    let proven = with_ancestors(3, NUMBER - 1);
    assert_eq!(root_with(&proven, Some((NUMBER - 1, 0xaa))), root_with(&proven, None), "a header comes first");

    let unproven = with_ancestors(3, NUMBER - 6);
    let (one, other) = (root_with(&unproven, Some((NUMBER - 6, 0xaa))), root_with(&unproven, Some((NUMBER - 6, 0xbb))));
    assert_ne!(one, other, "the contract stores what BLOCKHASH answers");
}

#[test]
fn a_missing_ancestor_is_named_by_number() {
    let missing = with_ancestors(3, NUMBER - 6).missing();
    assert_eq!((missing.kind(), missing.number, missing.hash.len()), (Kind::Header, NUMBER - 6, 0));
}

#[test]
fn outside_its_window_a_block_hash_is_zero_and_misses_nothing() {
    let nothing = contract_scene("cancun", &storing_block_hash(NUMBER)).computed();
    for number in [NUMBER - 257, NUMBER + 1, u64::MAX] {
        let computed = contract_scene("cancun", &storing_block_hash(number)).computed();
        assert_eq!(computed.receipts, nothing.receipts);
    }
    assert_eq!(with_ancestors(0, NUMBER - 256).missing().number, NUMBER - 256);
}

#[test]
fn a_missing_parent_is_named() {
    let mut scene = transfer();
    for headers in [vec![], vec![alloy_rlp::encode(Header::default())], vec![vec![]]] {
        scene.headers = Some(headers);
        let missing = scene.missing();
        assert_eq!((missing.kind(), missing.number), (Kind::Header, NUMBER - 1));
        assert_eq!(missing.hash, scene.header.parent_hash.to_vec());
    }
}

#[test]
fn headers_that_do_not_chain_are_refused() {
    let mut scene = with_ancestors(3, NUMBER - 1);
    scene.ancestors[1].extra_data = vec![1].into();
    assert!(scene.abstention(AbstentionReason::Refused).detail.contains("header 1 of the witness is not the parent"));
}

#[test]
fn without_the_parent_the_rules_that_need_it_are_left_unchecked() {
    let always = [Rule::Number, Rule::Timestamp, Rule::GasLimit];
    for (fork, more) in [
        ("berlin", &[Rule::Difficulty][..]),
        ("paris", &[Rule::BaseFee]),
        ("shanghai", &[Rule::BaseFee]),
        ("cancun", &[Rule::BaseFee, Rule::ExcessBlobGas]),
    ] {
        let tx = if fork == "berlin" { legacy } else { transaction };
        let mut scene = Scene::new(fork, &crowd(), vec![tx(RECIPIENT, 5, TRANSFER_GAS)]);
        scene.header.difficulty = scene.parent.difficulty;
        let mut expected = scene.computed();
        scene.headers = Some(vec![]);
        scene.parent_header_optional = true;
        expected.unchecked_rules = always.iter().chain(more).map(|&rule| i32::from(rule)).collect();
        assert_eq!(scene.computed(), expected, "{fork}");
        scene.header.extra_data = vec![0; 33].into();
        assert_eq!(scene.broken_rule().rule(), Rule::ExtraData);
    }
}

#[test]
fn where_the_parent_may_be_absent_but_is_there_it_is_checked() {
    let mut scene = transfer();
    scene.parent_header_optional = true;
    assert!(scene.computed().unchecked_rules.is_empty());
    scene.pre_state_root = B256::repeat_byte(1);
    scene.abstention(AbstentionReason::Refused);
}

// ---- the bond between request, file and block ----------------------------------------------------------------------

#[test]
fn a_state_root_that_is_not_the_trusted_one_is_refused() {
    let mut scene = transfer();
    scene.pre_state_root = B256::repeat_byte(1);
    assert!(scene.abstention(AbstentionReason::Refused).detail.contains("is not the trusted"));
}

#[test]
fn the_witness_of_another_block_is_refused() {
    let mut question = transfer().question();
    question.block_hash = Hash([1; 32]);
    let Err(Stop::Abstain(abstention)) = transfer().ask(&question) else { panic!("not refused") };
    assert_eq!(abstention.reason(), AbstentionReason::Refused);

    let mut scene = transfer();
    scene.block = Some(contract_scene("cancun", &[0]).block_bytes());
    assert!(scene.abstention(AbstentionReason::Refused).detail.contains("the file names"));
    scene.block = Some(vec![0x80]);
    scene.abstention(AbstentionReason::Refused);
}

#[test]
fn the_requests_chain_config_counts_and_not_the_files() {
    let mut scene = transfer();
    let good = std::mem::replace(&mut scene.chain_config, "not JSON".to_owned());
    scene.abstention(AbstentionReason::Refused);
    let mut question = scene.question();
    question.chain_config = good.into();
    assert!(scene.ask(&question).is_ok());
    question.chain_config = r#"{"chainId":2,"londonBlock":0}"#.into();
    assert!(scene.ask(&question).is_err());
}

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
    assert!(matches!(execution::execute(file, &question, over, &mut Spent::default()).0, Err(Stop::Cancelled)));
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
