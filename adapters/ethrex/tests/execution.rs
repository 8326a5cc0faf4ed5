//! What is computed, and what is told where something is missing. Each trap of the client has its test.

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
use ethrex_adapter::execution;
use ethrex_common::types::BlockHeader;
use ethrex_common::{Address, H256};
use ethrex_rlp::encode::RLPEncode;
use support::{
    Account, BASE_FEE, NUMBER, READING_FOR_EVER, RICH, Scene, calling, hashed, sender, state, storing_block_hash,
    transaction, trie,
};

const TRANSFER_GAS: u64 = 21_000;
const RECIPIENT: Address = Address::repeat_byte(0x11);
const CONTRACT: Address = Address::repeat_byte(0xc0);
const TARGET: Address = Address::repeat_byte(0x77);

/// Enough other accounts that every path has branches.
fn crowd() -> Vec<(Address, Account)> {
    let account = |index: u64| Account { balance: index + 1, ..Account::default() };
    (0..40).map(|index| (Address::from_low_u64_be(index + 0x1000), account(index))).collect()
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
                    assert_eq!((missing.kind(), &missing.hash[..]), (Kind::Node, hashed(&dropped).as_bytes()));
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
    let size_of = [&[0x73][..], TARGET.as_bytes(), &[0x3b, 0x50]].concat(); // PUSH20 EXTCODESIZE POP
    let copy_of = [&[0x5f, 0x5f, 0x5f, 0x73][..], TARGET.as_bytes(), &[0x3c]].concat(); // EXTCODECOPY
    for code in [size_of, copy_of, calling(TARGET)] {
        let accounts = [(CONTRACT, Account::with_code(&code)), (TARGET, Account::with_code(&[0x5b; 3]))];
        let mut scene = Scene::new("cancun", &accounts, vec![transaction(CONTRACT, 0, 200_000)]);
        scene.computed();
        scene.codes.retain(|code| code != &[0x5b; 3]);
        let missing = scene.missing();
        assert_eq!((missing.kind(), &missing.hash[..]), (Kind::Code, hashed([0x5b; 3]).as_bytes()));
    }
}

#[test]
fn a_missing_target_of_a_call_without_value_is_named() {
    let mut accounts = crowd();
    accounts.push((CONTRACT, Account::with_code(&calling(TARGET))));
    accounts.push((TARGET, Account { balance: 1, ..Account::default() }));
    let mut scene = Scene::new("cancun", &accounts, vec![transaction(CONTRACT, 0, 200_000)]);
    let leaf = path_to(&scene, TARGET).pop().unwrap();
    scene.computed();
    scene.nodes.retain(|node| *node != leaf);
    let missing = scene.missing();
    assert_eq!(missing.hash, hashed(&leaf).as_bytes());
    assert!(missing.r#where.contains(&format!("{TARGET:#x}")), "{}", missing.r#where);
}

#[test]
fn a_missing_sender_is_no_broken_rule() {
    let mut scene = transfer();
    let leaf = path_to(&scene, sender(&transaction(RECIPIENT, 5, TRANSFER_GAS))).pop().unwrap();
    scene.nodes.retain(|node| *node != leaf);
    assert_eq!(scene.missing().hash, hashed(&leaf).as_bytes());
}

/// The nodes from the root of the state trie to an account.
fn path_to(scene: &Scene, address: Address) -> Vec<Vec<u8>> {
    let index: BTreeMap<H256, &Vec<u8>> = scene.nodes.iter().map(|node| (hashed(node), node)).collect();
    let decoded = index.iter().map(|(hash, node)| (*hash, ethrex_rlp::decode::RLPDecode::decode(node).unwrap()));
    let trie = ethrex_trie::Trie::from_nodes(scene.pre_state_root, &decoded.collect()).unwrap();
    trie.get_proof(hashed(address).as_bytes()).unwrap()
}

#[test]
fn a_node_that_is_not_well_formed_is_missing_where_it_is_used() {
    let two_hashes = [[vec![0xa0], vec![7; 32]].concat(), [vec![0xa0], vec![8; 32]].concat()].concat();
    let long_reference = [vec![0xb8, 60], vec![9; 60]].concat(); // the client's decoder panics on this child
    let branch = |children: &[u8], empty: usize| {
        let payload = [children, &vec![0x80; empty][..]].concat();
        [vec![0xf8, payload.len() as u8], payload].concat()
    };
    let empty_extension = [vec![0xe2, 0x00, 0xa0], vec![7; 32]].concat();
    for node in [branch(&long_reference, 16), branch(&two_hashes, 14), empty_extension, vec![0xc0], vec![5; 90]] {
        let mut scene = transfer();
        scene.pre_state_root = hashed(&node);
        scene.parent.state_root = scene.pre_state_root;
        scene.nodes = vec![node.clone()];
        let missing = scene.bound().missing();
        assert_eq!(missing.hash, hashed(&node).as_bytes());
        assert!(missing.r#where.contains("not a well-formed trie node"), "{}", missing.r#where);
    }
}

#[test]
fn an_account_that_is_not_well_formed_is_missing() {
    let tx = transaction(RECIPIENT, 5, TRANSFER_GAS);
    let mut scene = transfer();
    let (root, nodes) = trie([(hashed(sender(&tx)), vec![0xc3, 1, 2, 3])]);
    scene.pre_state_root = root;
    scene.parent.state_root = root;
    scene.nodes = nodes;
    let missing = scene.bound().missing();
    assert_eq!(missing.hash, root.as_bytes());
    assert!(missing.r#where.contains("value is not well-formed"), "{}", missing.r#where);
}

#[test]
fn nodes_that_refer_to_each_other_many_times_do_not_multiply() {
    // Sixteen equal children on each of 64 levels: put together one by one they would be 16^64 nodes.
    let mut node = [vec![0xe7, 0x20, 0xa5], vec![1; 37]].concat();
    let mut nodes = vec![node.clone()];
    for _ in 0..64 {
        let child = [&[0xa0][..], hashed(&node).as_bytes()].concat();
        let payload = [child.repeat(16), vec![0x80]].concat();
        node = [vec![0xf9, (payload.len() >> 8) as u8, payload.len() as u8], payload].concat();
        nodes.push(node.clone());
    }
    let mut scene = transfer();
    scene.pre_state_root = hashed(&node);
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
    let mut parent_hash = H256::repeat_byte(0xaa);
    for number in NUMBER - 1 - count..NUMBER - 1 {
        let ancestor = BlockHeader { number, parent_hash, ..BlockHeader::default() };
        parent_hash = hashed(ancestor.encode_to_vec());
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
    for headers in [vec![], vec![BlockHeader::default().encode_to_vec()], vec![vec![]]] {
        scene.headers = Some(headers);
        let missing = scene.missing();
        assert_eq!((missing.kind(), missing.number), (Kind::Header, NUMBER - 1));
        assert_eq!(missing.hash, scene.header.parent_hash.as_bytes());
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
    for fork in ["paris", "shanghai", "cancun"] {
        let mut scene = Scene::new(fork, &crowd(), vec![transaction(RECIPIENT, 5, TRANSFER_GAS)]);
        let mut expected = scene.computed();
        scene.headers = Some(vec![]);
        scene.parent_header_optional = true;
        expected.unchecked_rules =
            [Rule::Number, Rule::Timestamp, Rule::GasLimit, Rule::BaseFee, Rule::ExcessBlobGas].map(i32::from).to_vec();
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
    scene.pre_state_root = H256::repeat_byte(1);
    scene.abstention(AbstentionReason::Refused);
}

// ---- the bond between request, file and block ----------------------------------------------------------------------

#[test]
fn a_state_root_that_is_not_the_trusted_one_is_refused() {
    let mut scene = transfer();
    scene.pre_state_root = H256::repeat_byte(1);
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
