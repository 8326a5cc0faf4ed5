//! What is told where something is missing: nodes, codes, ancestors, the parent.

mod support;

use std::collections::BTreeSet;

use adapter_host::hash::Hash;
use adapter_host::rpc::missing::Kind;
use adapter_host::rpc::{AbstentionReason, Rule};
use alloy_consensus::Header;
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{Address, B256, keccak256};
use support::{
    Account, CONTRACT, NUMBER, RECIPIENT, Scene, TARGET, TRANSFER_GAS, calling, contract_scene, crowd, legacy,
    request_contracts, sender, storing_block_hash, transaction, transfer, trie,
};

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
    let distinct: BTreeSet<_> = roots.iter().collect();
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
