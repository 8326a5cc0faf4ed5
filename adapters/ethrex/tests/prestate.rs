//! Execution on a prestate section (adapters/CONTRACT.md, "Prestate mode").

mod support;

use std::collections::BTreeMap;

use adapter_host::rpc::missing::Kind;
use adapter_host::rpc::{AbstentionReason, Computed, PostAccount, PostSlot, Rule};
use adapter_host::testing::prestate::Accounts;
use adapter_host::testing::scene::Scene as _;
use ethrex_common::{Address, U256};
use ethrex_vm::system_contracts::BEACON_ROOTS_ADDRESS;
use support::{
    Account, BASE_FEE, COINBASE, RICH, Scene, calling, hashed, sender, storing_block_hash, transaction, word,
};

const RECIPIENT: Address = Address::repeat_byte(0x11);
const CONTRACT: Address = Address::repeat_byte(0xc0);
const TARGET: Address = Address::repeat_byte(0x77);
const TRANSFER_GAS: u64 = 21_000;

fn absent() -> [Address; 2] {
    [COINBASE, BEACON_ROOTS_ADDRESS.address] // of the latter EIP-4788's system call asks
}

fn contract_scene(code: &[u8]) -> Scene {
    let storage = BTreeMap::from([(2, 22), (3, 33)]);
    let contract = Account { storage, ..Account::with_code(code) };
    Scene::new("cancun", &[(CONTRACT, contract)], vec![transaction(CONTRACT, 0, 200_000)])
}

/// In prestate mode, with everything listed.
fn listed(scene: &Scene, others: &[Address]) -> Scene {
    scene.with_prestate(&scene.listing(&[&absent()[..], others].concat()))
}

fn minimal(value: impl Into<U256>) -> Vec<u8> {
    let bytes = value.into().to_big_endian();
    bytes.into_iter().skip_while(|&byte| byte == 0).collect()
}

fn changed(address: Address, nonce: u64, balance: u64, code: &[u8], slots: &[(u64, u64)]) -> PostAccount {
    let slot = |&(key, value): &(u64, u64)| PostSlot { key: word(key).to_vec().into(), value: minimal(value).into() };
    PostAccount {
        address: address.as_bytes().to_vec().into(),
        nonce,
        balance: minimal(balance).into(),
        code_hash: hashed(code).as_bytes().to_vec().into(),
        slots: slots.iter().map(slot).collect(),
        ..PostAccount::default()
    }
}

/// What is computed is what proof mode computes, but for the state root.
fn assert_same(computed: &Computed, scene: &Scene) {
    let but_state =
        |computed: &Computed| Computed { state_root: Default::default(), post_state: vec![], ..computed.clone() };
    assert_eq!(but_state(computed), but_state(&scene.computed()));
    assert!(computed.state_root.is_empty());
    assert!(computed.post_state.is_sorted_by(|left, right| left.address < right.address));
}

/// The sender of the scene's only transaction after it.
fn payer(computed: &Computed, value: u64, to: Address, gas_limit: u64) -> PostAccount {
    let sender = sender(&transaction(to, value, gas_limit));
    changed(sender, 1, RICH - value - computed.gas_used * BASE_FEE, &[], &[])
}

#[test]
fn a_transfer_changes_two_accounts() {
    let scene = Scene::new("cancun", &[], vec![transaction(RECIPIENT, 5, TRANSFER_GAS)]);
    let computed = listed(&scene, &[RECIPIENT]).computed();
    assert_same(&computed, &scene);
    let mut expected = vec![changed(RECIPIENT, 0, 5, &[], &[]), payer(&computed, 5, RECIPIENT, TRANSFER_GAS)];
    expected.sort_by_key(|account| account.address.clone());
    assert_eq!(computed.post_state, expected);
}

#[test]
fn slots_that_changed_are_told_with_their_values_after_the_block() {
    // Slot 2 becomes 0, slot 3 is written as it is, slot 4 becomes 44, by PUSH1 value PUSH1 key SSTORE.
    let code = [[0x60, 0, 0x60, 2, 0x55], [0x60, 33, 0x60, 3, 0x55], [0x60, 44, 0x60, 4, 0x55]].concat();
    let scene = contract_scene(&code);
    let mut listing = scene.listing(&absent());
    listing.get_mut(&CONTRACT.0).unwrap().as_mut().unwrap().slots.insert(word(4), word(0));
    let computed = scene.with_prestate(&listing).computed();
    assert_same(&computed, &scene);
    assert!(computed.post_state.contains(&changed(CONTRACT, 0, 0, &code, &[(2, 0), (4, 44)])), "{computed:?}");
}

#[test]
fn what_is_touched_and_equal_is_not_told() {
    // Read and written as it was before: PUSH1 22 PUSH1 2 SSTORE; called without value.
    let scene = contract_scene(&[0x60, 22, 0x60, 2, 0x55]);
    let computed = listed(&scene, &[]).computed();
    assert_same(&computed, &scene);
    assert_eq!(computed.post_state, [payer(&computed, 0, CONTRACT, 200_000)]);
}

/// Everything that is listed, gone in turn: an equal result, or the very thing is named.
fn each_dropped_in_turn(scene: &Scene, listing: &Accounts) -> usize {
    let all = scene.with_prestate(listing).computed();
    let mut needed = 0;
    for (address, account) in listing {
        let mut rest = listing.clone();
        rest.remove(address);
        let without = scene.with_prestate(&rest);
        if without.execute().is_ok_and(|computed| computed == all) {
            continue;
        }
        needed += 1;
        let missing = without.missing();
        assert_eq!((missing.kind(), &missing.address[..]), (Kind::Account, &address[..]));
        for key in account.iter().flat_map(|account| account.slots.keys()) {
            let mut rest = listing.clone();
            rest.get_mut(address).unwrap().as_mut().unwrap().slots.remove(key);
            let without = scene.with_prestate(&rest);
            if without.execute().is_ok_and(|computed| computed == all) {
                continue;
            }
            needed += 1;
            let missing = without.missing();
            assert_eq!((missing.kind(), &missing.address[..], &missing.key[..]), (Kind::Slot, &address[..], &key[..]));
        }
    }
    needed
}

#[test]
fn each_account_and_slot_dropped_in_turn_is_named_or_not_needed() {
    let mut code = [0x60, 2, 0x54, 0x60, 9, 0x55].to_vec(); // PUSH1 2 SLOAD PUSH1 9 SSTORE
    code.extend(calling(TARGET));
    let scene = contract_scene(&code);
    let mut listing = scene.listing(&[&absent()[..], &[TARGET, RECIPIENT]].concat());
    listing.get_mut(&CONTRACT.0).unwrap().as_mut().unwrap().slots.extend([(word(9), word(0)), (word(1), word(0))]);
    // The sender, the contract and three of its slots, the target, the beacon roots; and the beneficiary, if it is read.
    let needed = each_dropped_in_turn(&scene, &listing);
    assert!((7..=8).contains(&needed), "{needed}");
}

#[test]
fn slots_of_an_account_without_storage_need_not_be_listed() {
    let code = [0x60, 7, 0x54, 0x60, 7, 0x60, 8, 0x55]; // PUSH1 7 SLOAD PUSH1 7 PUSH1 8 SSTORE
    let contract = Account::with_code(&code);
    let scene = Scene::new("cancun", &[(CONTRACT, contract)], vec![transaction(CONTRACT, 0, 200_000)]);
    let computed = listed(&scene, &[]).computed();
    assert_same(&computed, &scene);
    assert!(computed.post_state.contains(&changed(CONTRACT, 0, 0, &code, &[(8, 7)])), "{computed:?}");
}

/// Code that creates an account by CREATE2, of at most 32 bytes of code, and the account's address (EIP-1014).
fn creating(factory: Address, init_code: &[u8]) -> (Vec<u8>, Address) {
    let size = u8::try_from(init_code.len()).unwrap();
    let mut code = vec![0x5f + size]; // PUSHn
    code.extend(init_code);
    code.extend([0x5f, 0x52, 0x5f, 0x60, size, 0x60, 32 - size, 0x5f, 0xf5]); // PUSH0 MSTORE, CREATE2(0, .., salt 0)
    let place = [&[0xff][..], factory.as_bytes(), &[0; 32], hashed(init_code).as_bytes()].concat();
    (code, Address::from_slice(&hashed(place).as_bytes()[12..]))
}

#[test]
fn an_account_that_is_created_has_slots_that_nobody_lists() {
    let init_code = [0x60, 7, 0x54, 0x60, 5, 0x60, 9, 0x55]; // PUSH1 7 SLOAD PUSH1 5 PUSH1 9 SSTORE
    let (code, child) = creating(CONTRACT, &init_code);
    let factory = Account { nonce: 1, ..Account::with_code(&code) };
    let scene = Scene::new("cancun", &[(CONTRACT, factory)], vec![transaction(CONTRACT, 0, 200_000)]);
    let computed = listed(&scene, &[child]).computed();
    assert_same(&computed, &scene);
    assert!(computed.post_state.contains(&changed(child, 1, 0, &[], &[(9, 5)])), "{computed:?}");
    assert!(computed.post_state.contains(&changed(CONTRACT, 2, 0, &code, &[])), "{computed:?}");
}

fn destroyed_and(transactions: &[u8], fork: &str) -> (Scene, Computed, Address) {
    let init_code = [0x60, 7, 0x60, 9, 0x55, 0x60, 22, 0x60, 2, 0x55]; // slot 9 becomes 7, slot 2 becomes 22
    let (code, child) = creating(CONTRACT, &init_code);
    let storage = BTreeMap::from([(1, 11), (2, 22), (9, 99)]);
    let victim = Account { nonce: 1, storage, ..Account::with_code(&[0x33, 0xff]) }; // CALLER SELFDESTRUCT
    let factory = Account { nonce: 1, ..Account::with_code(&code) };
    let of = |byte| transaction(if byte == b'd' { child } else { CONTRACT }, 0, 200_000);
    let transactions = transactions.iter().map(|&byte| of(byte)).collect();
    let scene = Scene::new(fork, &[(CONTRACT, factory), (child, victim)], transactions);
    let computed = listed(&scene, &[]).computed();
    assert_same(&computed, &scene);
    (scene, computed, child)
}

#[test]
fn an_account_that_is_destroyed_is_told_as_deleted_and_nothing_else() {
    let (_, computed, child) = destroyed_and(b"d", "shanghai");
    let deleted = PostAccount { address: child.as_bytes().to_vec().into(), deleted: true, ..PostAccount::default() };
    assert!(computed.post_state.contains(&deleted), "{computed:?}");
}

#[test]
fn of_an_account_destroyed_and_created_again_the_slots_that_it_no_longer_has_became_zero() {
    let (_, computed, child) = destroyed_and(b"dc", "shanghai");
    // Slot 2 is what it was before.
    assert!(computed.post_state.contains(&changed(child, 1, 0, &[], &[(1, 0), (9, 7)])), "{computed:?}");
}

#[test]
fn a_code_that_is_missing_is_named() {
    let mut scene = contract_scene(&[0x5f]);
    scene.codes.clear();
    let missing = listed(&scene, &[]).missing();
    assert_eq!((missing.kind(), &missing.hash[..]), (Kind::Code, hashed([0x5f]).as_bytes()));
}

#[test]
fn all_other_obligations_stand() {
    let scene = listed(&contract_scene(&storing_block_hash(support::NUMBER - 5)), &[]);
    assert_eq!(scene.missing().kind(), Kind::Header);
    let mut wrong_root = scene.clone();
    wrong_root.pre_state_root = hashed([1]);
    wrong_root.abstention(AbstentionReason::Refused);
    let mut broken = scene.clone();
    broken.header.timestamp = broken.parent.timestamp;
    assert_eq!(broken.broken_rule().rule(), Rule::Timestamp);
    let mut orphan = scene;
    orphan.headers = Some(Vec::new());
    assert_eq!(orphan.missing().kind(), Kind::Header);
}

#[test]
fn a_section_that_is_not_there_or_malformed_is_refused() {
    let mut scene = contract_scene(&[0x5f]);
    let mut question = scene.question();
    question.mode = adapter_host::rpc::Mode::Prestate;
    let refused = |stop| {
        matches!(stop, Err(adapter_host::outcome::Stop::Abstain(abstention))
        if abstention.reason() == AbstentionReason::Refused && abstention.detail.contains("prestate"))
    };
    assert!(refused(scene.ask(&question)));
    scene.prestate = Some(vec![0xc1, 0x80]);
    assert!(refused(scene.ask(&question)));
}

#[test]
fn the_section_says_nothing_in_proof_mode() {
    let mut scene = contract_scene(&[0x5f]);
    let expected = scene.computed();
    let question = scene.question();
    scene.prestate = Some(vec![0xc1, 0x80]);
    assert_eq!(scene.ask(&question).unwrap(), expected);
}
