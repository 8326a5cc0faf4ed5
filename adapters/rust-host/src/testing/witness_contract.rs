//! adapters/CONTRACT.md, "Obligations when executing", clauses 1 and 4: what is missing, and what belongs together. Each
//! function is a test of one client; it panics where the client does not do what it has to.

use std::collections::BTreeSet;

use super::scene::{
    Account, CONTRACT, Call, NUMBER, RECIPIENT, Scene, TARGET, TRANSFER_GAS, calling, crowd, storing_block_hash,
};
use crate::hash::Hash;
use crate::outcome::Stop;
use crate::rpc::missing::Kind;
use crate::rpc::{AbstentionReason, Rule};

/// Declares every test of this contract for one type of scenes.
#[macro_export]
macro_rules! witness_contract {
    ($scene:ty) => {
        $crate::witness_contract!($scene;
            every_node_dropped_in_turn_is_named_or_not_needed
            a_missing_code_is_named_also_where_only_its_size_is_asked
            a_missing_target_of_a_call_without_value_is_named
            a_missing_sender_is_no_broken_rule
            a_node_that_is_not_well_formed_is_missing_where_it_is_used
            a_value_that_is_not_well_formed_is_missing
            nodes_that_refer_to_each_other_many_times_do_not_multiply
            nodes_nobody_needs_do_no_harm
            a_block_hash_is_answered_where_the_headers_prove_it
            a_vouched_ancestor_answers_where_no_header_does
            a_missing_ancestor_is_named_by_number
            outside_its_window_a_block_hash_is_zero_and_misses_nothing
            a_missing_parent_is_named
            headers_that_do_not_chain_are_refused
            without_the_parent_the_rules_that_need_it_are_left_unchecked
            where_the_parent_may_be_absent_but_is_there_it_is_checked
            number_0_breaks_a_rule_only_on_a_parent_that_is_there
            a_state_root_that_is_not_the_trusted_one_is_refused
            the_witness_of_another_block_is_refused
            the_requests_chain_config_counts_and_not_the_files
        );
    };
    ($scene:ty; $($test:ident)*) => {
        $(
            #[test]
            fn $test() {
                $crate::testing::witness_contract::$test::<$scene>();
            }
        )*
    };
}

// ---- nodes and codes ------------------------------------------------------------------------------------------------

pub fn every_node_dropped_in_turn_is_named_or_not_needed<S: Scene>() {
    for complete in [S::transfer(), S::of_contract("cancun", &[0x5f, 0x60, 2, 0x55])] {
        let expected = complete.computed();
        let mut named = 0;
        for index in 0..complete.nodes.len() {
            let mut scene = complete.clone();
            let dropped = scene.nodes.remove(index);
            match scene.execute() {
                Ok(computed) => assert_eq!(computed, expected),
                Err(_) => {
                    let missing = scene.missing();
                    assert_eq!((missing.kind(), &missing.hash[..]), (Kind::Node, &S::hashed(&dropped).0[..]));
                    assert!(!missing.r#where.is_empty());
                    named += 1;
                }
            }
        }
        assert!(named >= 4, "{named}");
    }
}

pub fn a_missing_code_is_named_also_where_only_its_size_is_asked<S: Scene>() {
    let size_of = [&[0x73][..], &TARGET, &[0x3b, 0x50]].concat(); // PUSH20 EXTCODESIZE POP
    let copy_of = [&[0x5f, 0x5f, 0x5f, 0x73][..], &TARGET, &[0x3c]].concat(); // EXTCODECOPY
    for code in [size_of, copy_of, calling(TARGET)] {
        let accounts = [(CONTRACT, Account::with_code(&code)), (TARGET, Account::with_code(&[0x5b; 3]))];
        let mut scene = S::made("cancun", &accounts, &[Call(CONTRACT, 0, 200_000)]);
        scene.computed();
        scene.codes.retain(|code| code != &[0x5b; 3]);
        let missing = scene.missing();
        assert_eq!((missing.kind(), &missing.hash[..]), (Kind::Code, &S::hashed(&[0x5b; 3]).0[..]));
    }
}

pub fn a_missing_target_of_a_call_without_value_is_named<S: Scene>() {
    let mut accounts = crowd();
    accounts.push((CONTRACT, Account::with_code(&calling(TARGET))));
    accounts.push((TARGET, Account { balance: 1, ..Account::default() }));
    let scene = S::made("cancun", &accounts, &[Call(CONTRACT, 0, 200_000)]);
    let leaf = scene.leaf_of(TARGET);
    scene.computed();
    let missing = scene.without_node(&leaf).missing();
    assert_eq!(missing.hash, S::hashed(&leaf).0[..]);
    assert!(missing.r#where.contains(&format!("0x{}", "77".repeat(20))), "{}", missing.r#where);
}

pub fn a_missing_sender_is_no_broken_rule<S: Scene>() {
    let scene = S::transfer();
    let leaf = scene.leaf_of(S::sender(Call(RECIPIENT, 5, TRANSFER_GAS)));
    assert_eq!(scene.without_node(&leaf).missing().hash, S::hashed(&leaf).0[..]);
}

pub fn a_node_that_is_not_well_formed_is_missing_where_it_is_used<S: Scene>() {
    let two_hashes = [[vec![0xa0], vec![7; 32]].concat(), [vec![0xa0], vec![8; 32]].concat()].concat();
    let long_reference = [vec![0xb8, 60], vec![9; 60]].concat(); // a client's decoder may panic on this child
    let branch = |children: &[u8], empty: usize| {
        let payload = [children, &vec![0x80; empty][..]].concat();
        [vec![0xf8, payload.len() as u8], payload].concat()
    };
    let empty_extension = [vec![0xe2, 0x00, 0xa0], vec![7; 32]].concat();
    for node in [branch(&long_reference, 16), branch(&two_hashes, 14), empty_extension, vec![0xc0], vec![5; 90]] {
        let mut scene = S::transfer().on_state(S::hashed(&node));
        scene.nodes = vec![node.clone()];
        let missing = scene.missing();
        assert_eq!(missing.hash, S::hashed(&node).0[..]);
        assert!(missing.r#where.contains("not a well-formed trie node"), "{}", missing.r#where);
    }
}

pub fn a_value_that_is_not_well_formed_is_missing<S: Scene>() {
    let sender = S::sender(Call(RECIPIENT, 5, TRANSFER_GAS));
    let five_items = [&[0xf8, 69, 1, 1, 0xa0][..], &[7; 32], &[0xa0], &[8; 32], &[0x80]].concat();
    let long_balance = [&[0xf8, 69, 1, 0x81, 1, 0xa0][..], &[7; 32], &[0xa0], &[8; 32]].concat();
    for account in [vec![0xc3, 1, 2, 3], five_items, long_balance] {
        let (root, nodes) = S::trie(vec![(S::hashed(&sender), account)]);
        let mut scene = S::transfer().on_state(root);
        scene.nodes = nodes;
        let missing = scene.missing();
        assert_eq!(missing.hash, root.0[..]);
        assert!(missing.r#where.contains("value is not well-formed"), "{}", missing.r#where);
    }
}

pub fn nodes_that_refer_to_each_other_many_times_do_not_multiply<S: Scene>() {
    // Sixteen equal children on each of 64 levels: put together one by one they would be 16^64 nodes.
    let mut node = [vec![0xe7, 0x20, 0xa5], vec![1; 37]].concat();
    let mut nodes = vec![node.clone()];
    for _ in 0..64 {
        let child = [&[0xa0][..], &S::hashed(&node).0].concat();
        let payload = [child.repeat(16), vec![0x80]].concat();
        node = [vec![0xf9, (payload.len() >> 8) as u8, payload.len() as u8], payload].concat();
        nodes.push(node.clone());
    }
    let mut scene = S::transfer().on_state(S::hashed(&node));
    scene.nodes = nodes;
    assert!(scene.missing().r#where.contains("value is not well-formed"));
}

pub fn nodes_nobody_needs_do_no_harm<S: Scene>() {
    let expected = S::transfer().computed();
    let mut scene = S::transfer();
    scene.nodes.extend([vec![], vec![0x80], vec![0xc0], vec![0xff; 50], vec![0xf8, 0xff, 1]]);
    scene.codes.extend([vec![], vec![0xfe; 10]]);
    assert_eq!(scene.computed(), expected);
}

// ---- ancestors ------------------------------------------------------------------------------------------------------

fn asking_for<S: Scene>(number: u64, ancestors: u64) -> S {
    S::of_contract("cancun", &storing_block_hash(number)).with_ancestors(ancestors)
}

pub fn a_block_hash_is_answered_where_the_headers_prove_it<S: Scene>() {
    // The lowest header names the hash of the one below it.
    let roots: BTreeSet<_> =
        (1..=5).map(|distance| asking_for::<S>(NUMBER - distance, 3).computed().state_root).collect();
    assert_eq!(roots.len(), 5);
}

pub fn a_vouched_ancestor_answers_where_no_header_does<S: Scene>() {
    let root_with = |scene: &S, vouched: Option<(u64, u8)>| {
        let mut question = scene.question();
        question.ancestor_hashes.extend(vouched.map(|(number, byte)| (number, Hash([byte; 32]))));
        scene.ask(&question).expect("computed").state_root
    };
    let proven = asking_for::<S>(NUMBER - 1, 3);
    assert_eq!(root_with(&proven, Some((NUMBER - 1, 0xaa))), root_with(&proven, None), "a header comes first");

    let unproven = asking_for::<S>(NUMBER - 6, 3);
    let (one, other) = (root_with(&unproven, Some((NUMBER - 6, 0xaa))), root_with(&unproven, Some((NUMBER - 6, 0xbb))));
    assert_ne!(one, other, "the contract stores what BLOCKHASH answers");
}

pub fn a_missing_ancestor_is_named_by_number<S: Scene>() {
    let missing = asking_for::<S>(NUMBER - 6, 3).missing();
    assert_eq!((missing.kind(), missing.number, missing.hash.len()), (Kind::Header, NUMBER - 6, 0));
}

pub fn outside_its_window_a_block_hash_is_zero_and_misses_nothing<S: Scene>() {
    let nothing = S::of_contract("cancun", &storing_block_hash(NUMBER)).computed();
    for number in [NUMBER - 257, NUMBER + 1, u64::MAX] {
        let computed = S::of_contract("cancun", &storing_block_hash(number)).computed();
        assert_eq!(computed.receipts, nothing.receipts);
    }
    assert_eq!(asking_for::<S>(NUMBER - 256, 0).missing().number, NUMBER - 256);
}

pub fn a_missing_parent_is_named<S: Scene>() {
    let mut scene = S::transfer();
    let another = [&[0xf9, 1, 0xf4][..], &[0; 500]].concat(); // a list that is no header
    for headers in [vec![], vec![another], vec![vec![]]] {
        scene.headers = Some(headers);
        let missing = scene.missing();
        assert_eq!((missing.kind(), missing.number), (Kind::Header, NUMBER - 1));
        assert_eq!(missing.hash, scene.parent_hash().0[..]);
    }
}

pub fn headers_that_do_not_chain_are_refused<S: Scene>() {
    let scene = asking_for::<S>(NUMBER - 1, 3).with_extra_data(Some(1), &[1]);
    assert!(scene.abstention(AbstentionReason::Refused).detail.contains("header 1 of the witness is not the parent"));
}

pub fn without_the_parent_the_rules_that_need_it_are_left_unchecked<S: Scene>() {
    let always = [Rule::Number, Rule::Timestamp, Rule::GasLimit, Rule::BaseFee];
    for (fork, more) in [("paris", None), ("shanghai", None), ("cancun", Some(Rule::ExcessBlobGas))] {
        let mut scene = S::made(fork, &crowd(), &[Call(RECIPIENT, 5, TRANSFER_GAS)]);
        let mut expected = scene.computed();
        scene.headers = Some(vec![]);
        scene.parent_header_optional = true;
        let mut computed = scene.computed();
        if more.is_none() {
            // Where the fork has no blobs, an adapter may name the rule or leave it out: there is nothing to check.
            computed.unchecked_rules.retain(|rule| *rule != i32::from(Rule::ExcessBlobGas));
        }
        expected.unchecked_rules = always.into_iter().chain(more).map(i32::from).collect();
        assert_eq!(computed, expected, "{fork}");
        assert_eq!(scene.with_extra_data(None, &[0; 33]).broken_rule().rule(), Rule::ExtraData);
    }
}

pub fn where_the_parent_may_be_absent_but_is_there_it_is_checked<S: Scene>() {
    let mut scene = S::transfer();
    scene.parent_header_optional = true;
    assert!(scene.computed().unchecked_rules.is_empty());
    scene.trusting(Hash([1; 32])).abstention(AbstentionReason::Refused);
}

pub fn number_0_breaks_a_rule_only_on_a_parent_that_is_there<S: Scene>() {
    let mut scene = S::transfer().with_number(0);
    for optional in [false, true] {
        scene.parent_header_optional = optional;
        scene.headers = None;
        assert_eq!(scene.broken_rule().rule(), Rule::Number);
        scene.headers = Some(vec![]);
        assert!(scene.abstention(AbstentionReason::Refused).detail.contains("genesis"));
        scene.headers = Some(vec![vec![0xc0]]);
        assert_eq!(scene.missing().hash, scene.parent_hash().0[..]);
    }
}

// ---- the bond between request, file and block -----------------------------------------------------------------------

pub fn a_state_root_that_is_not_the_trusted_one_is_refused<S: Scene>() {
    let abstention = S::transfer().trusting(Hash([1; 32])).abstention(AbstentionReason::Refused);
    assert!(abstention.detail.contains("is not the trusted"));
}

pub fn the_witness_of_another_block_is_refused<S: Scene>() {
    let mut question = S::transfer().question();
    question.block_hash = Hash([1; 32]);
    let Err(Stop::Abstain(abstention)) = S::transfer().ask(&question) else { panic!("not refused") };
    assert_eq!(abstention.reason(), AbstentionReason::Refused);

    let mut scene = S::transfer();
    scene.block = Some(S::of_contract("cancun", &[0]).block_bytes());
    assert!(scene.abstention(AbstentionReason::Refused).detail.contains("the file names"));
    scene.block = Some(vec![0x80]);
    scene.abstention(AbstentionReason::Refused);
}

pub fn the_requests_chain_config_counts_and_not_the_files<S: Scene>() {
    let mut scene = S::transfer();
    let good = std::mem::replace(&mut scene.chain_config, "not JSON".to_owned());
    scene.abstention(AbstentionReason::Refused);
    let mut question = scene.question();
    question.chain_config = good.into();
    assert!(scene.ask(&question).is_ok());
    question.chain_config = r#"{"chainId":2,"londonBlock":0}"#.into();
    assert!(scene.ask(&question).is_err());
}
