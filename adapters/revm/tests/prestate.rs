//! Prestate mode: the same results as in proof mode, the state after the block in values, and what is missing.

mod support;

use std::collections::BTreeMap;

use adapter_host::client::Question;
use adapter_host::outcome::Stop;
use adapter_host::rpc::missing::Kind;
use adapter_host::rpc::{AbstentionReason, Computed, Missing, Mode, PostAccount};
use adapter_host::testing::scene::Scene as _;
use alloy_consensus::{Signed, TxEip1559, TxEip7702};
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_eips::eip4788::BEACON_ROOTS_ADDRESS;
use alloy_eips::eip4895::Withdrawal;
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{Address, B256, U256};
use revm_adapter::block::Transaction;
use support::{
    Account, BASE_FEE, COINBASE, CONTRACT, RECIPIENT, Scene, TARGET, TRANSFER_GAS, calling, contract_scene, crowd,
    legacy, request_contracts, sender, signature, state, storing_block_hash, transaction, transfer,
};

fn ask(scene: &Scene) -> Result<Computed, Stop> {
    scene.ask(&Question { mode: Mode::Prestate, ..scene.question() })
}

fn computed(scene: &Scene) -> Computed {
    ask(scene).unwrap_or_else(|stop| panic!("not computed: {stop:?}"))
}

fn missing(scene: &Scene) -> Missing {
    match ask(scene) {
        Err(Stop::Abstain(mut abstention)) if abstention.reason() == AbstentionReason::WitnessInsufficient => {
            assert_eq!(abstention.missing.len(), 1);
            abstention.missing.remove(0)
        }
        other => panic!("nothing is missing: {other:?}"),
    }
}

fn small(bytes: &[u8]) -> u64 {
    U256::from_be_slice(bytes).to()
}

/// The state of the scene with what is told to have changed. Codes that are new are given by hand.
fn applied(scene: &Scene, changes: &[PostAccount], new_codes: &[Vec<u8>]) -> BTreeMap<Address, Account> {
    let mut accounts = scene.accounts.clone();
    for change in changes {
        let address = Address::from_slice(&change.address);
        if change.deleted {
            accounts.remove(&address).expect("it was there");
            continue;
        }
        let account = accounts.entry(address).or_default();
        account.nonce = change.nonce;
        account.balance = small(&change.balance);
        let codes = [vec![], account.code.clone()].into_iter().chain(new_codes.to_vec());
        let is_it = |code: &Vec<u8>| alloy_primitives::keccak256(code) == change.code_hash[..];
        account.code = codes.into_iter().find(is_it).expect("its code is known");
        for slot in &change.slots {
            match small(&slot.value) {
                0 => account.storage.remove(&small(&slot.key)),
                value => account.storage.insert(small(&slot.key), value),
            };
        }
    }
    accounts
}

/// Executes in both modes; the changes, put into the state, give the root of proof mode.
fn agrees(scene: &Scene, absent: &[Address], new_codes: &[Vec<u8>]) -> Vec<PostAccount> {
    let proven = scene.computed();
    let scene = scene.clone().listing(absent);
    let mut unproven = scene.clone();
    unproven.nodes.clear(); // nothing of it is looked at
    let listed = computed(&unproven);
    assert!(listed.post_state.is_sorted_by(|left, right| left.address < right.address));
    assert_eq!(state(&applied(&scene, &listed.post_state, new_codes)).0.to_vec(), proven.state_root);
    let changes = listed.post_state.clone();
    assert_eq!(listed, Computed { state_root: vec![].into(), post_state: changes.clone(), ..proven });
    changes
}

const ABSENT: [Address; 3] = [RECIPIENT, COINBASE, BEACON_ROOTS_ADDRESS];

#[test]
fn a_transfer_changes_sender_and_recipient() {
    let changes = agrees(&transfer(), &ABSENT, &[]);
    let sender = sender(&transaction(RECIPIENT, 5, TRANSFER_GAS));
    let mut expected = [RECIPIENT, sender].map(|address| address.to_vec());
    expected.sort();
    // The coinbase, which is touched but earns nothing, is not among them.
    assert_eq!(changes.iter().map(|change| change.address.to_vec()).collect::<Vec<_>>(), expected);
}

#[test]
fn slots_are_changed_where_their_value_is() {
    // Slot 2 becomes 9, slot 3 nothing, slot 4 what it was; slot 1 is written and reset.
    let code = [0x60, 9, 0x60, 2, 0x55, 0x5f, 0x60, 3, 0x55, 0x60, 44, 0x60, 4, 0x55, 0x5f, 0x60, 1, 0x55];
    let mut scene = contract_scene("cancun", &code);
    let accounts = &mut scene.accounts;
    accounts.get_mut(&CONTRACT).unwrap().storage.insert(1, 0);
    let mut listed = scene.clone().listing(&ABSENT);
    listed.nodes.clear();
    let changes = computed(&listed).post_state;
    let contract = changes.iter().find(|change| change.address == CONTRACT.to_vec()).unwrap();
    let slots: Vec<_> = contract.slots.iter().map(|slot| (small(&slot.key), small(&slot.value))).collect();
    assert_eq!(slots, [(2, 9), (3, 0)]);
    assert!(contract.slots.iter().all(|slot| slot.key.len() == 32));
}

#[test]
fn both_modes_agree_whatever_a_block_does() {
    let mut paid = transfer();
    let withdrawal = |address, amount| Withdrawal { index: 0, validator_index: 0, address, amount };
    paid.body.withdrawals = Some(vec![withdrawal(TARGET, 3), withdrawal(CONTRACT, 0)].into());
    // revm reads the account also where nothing is paid.
    agrees(&paid.bound(), &[&ABSENT[..], &[TARGET, CONTRACT]].concat(), &[]);

    for fork in ["byzantium", "petersburg", "london", "shanghai", "cancun"] {
        let code = [0x60, 9, 0x60, 2, 0x55, 0x60, 0, 0x60, 3, 0x55];
        let mut scene = contract_scene("cancun", &code);
        if fork == "shanghai" {
            scene = contract_scene(fork, &code);
        } else if fork != "cancun" {
            let tx = legacy(RECIPIENT, 5, TRANSFER_GAS);
            scene = Scene::new(fork, &crowd(), vec![tx]);
            scene.header.difficulty = scene.parent.difficulty;
            scene.body.transactions.clear(); // the reward alone: it fits into what a test's account can hold
            scene = scene.bound();
        }
        agrees(&scene, &ABSENT, &[]);
    }
}

/// Slot 9 becomes 7, and no code is left: PUSH1 7 PUSH1 9 SSTORE.
const INIT_CODE: [u8; 5] = [0x60, 7, 0x60, 9, 0x55];
const FACTORY: Address = Address::repeat_byte(0xfa);

#[test]
fn an_account_destroyed_and_created_again_loses_its_slots() {
    // PUSH5 init code, PUSH0 MSTORE, CREATE2(value 0, offset 27, size 5, salt 0)
    let code = [&[0x64][..], &INIT_CODE, &[0x5f, 0x52, 0x5f, 0x60, 5, 0x60, 27, 0x5f, 0xf5]].concat();
    let creator = Account { nonce: 1, ..Account::with_code(&code) };
    let child = FACTORY.create2_from_code(B256::ZERO, INIT_CODE);
    let destroyed = Account {
        nonce: 1,
        storage: BTreeMap::from([(1, 11), (2, 22), (9, 7)]),
        ..Account::with_code(&[0x33, 0xff]) // CALLER SELFDESTRUCT
    };
    let mut accounts = crowd();
    accounts.extend([(child, destroyed), (FACTORY, creator)]);
    let destroying = transaction(child, 0, 100_000);
    let both = Scene::new("shanghai", &accounts, vec![destroying.clone(), transaction(FACTORY, 0, 200_000)]);
    let changes = agrees(&both, &ABSENT, &[]);
    let change = changes.iter().find(|change| change.address == child.to_vec()).unwrap();
    let slots: Vec<_> = change.slots.iter().map(|slot| (small(&slot.key), small(&slot.value))).collect();
    assert_eq!((slots, change.deleted), (vec![(1, 0), (2, 0)], false)); // slot 9 is 7 again

    let changes = agrees(&Scene::new("shanghai", &accounts, vec![destroying]), &ABSENT, &[]);
    let change = changes.into_iter().find(|change| change.address == child.to_vec()).unwrap();
    assert_eq!(change, PostAccount { address: child.to_vec().into(), deleted: true, ..PostAccount::default() });
}

#[test]
fn a_delegation_is_a_change_of_code() {
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
    let scene = Scene::new("prague", &accounts, vec![tx]);
    let history = alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS;
    let delegation = [&[0xef, 0x01, 0x00][..], TARGET.as_slice()].concat();
    let changes = agrees(&scene, &[&ABSENT[..], &[authority, history]].concat(), &[delegation]);
    assert!(changes.iter().any(|change| change.address == authority.to_vec() && change.slots.len() == 1));
}

// ---- what is missing -----------------------------------------------------------------------------------------------

#[test]
fn every_account_and_slot_dropped_in_turn_is_named_or_not_needed() {
    let code = [calling(TARGET), vec![0x60, 2, 0x54, 0x60, 3, 0x55]].concat(); // slot 3 becomes what slot 2 is
    let mut complete = contract_scene("cancun", &code).listing(&[&ABSENT[..], &[TARGET]].concat());
    let contract = complete.listed.as_mut().unwrap().get_mut(&CONTRACT.into_array()).unwrap();
    contract.as_mut().unwrap().slots.insert(U256::ONE.to_be_bytes(), [0; 32]); // where the call's success is stored
    let expected = computed(&complete);
    let (mut accounts_named, mut slots_named) = (0, 0);
    for (address, account) in complete.listed.clone().unwrap() {
        let mut scene = complete.clone();
        scene.listed.as_mut().unwrap().remove(&address);
        match ask(&scene) {
            Ok(computed) => assert_eq!(computed, expected),
            Err(_) => {
                let missing = missing(&scene);
                assert_eq!((missing.kind(), &missing.address[..]), (Kind::Account, &address[..]));
                accounts_named += 1;
            }
        }
        for key in account.iter().flat_map(|account| account.slots.keys()) {
            let mut scene = complete.clone();
            scene.listed.as_mut().unwrap().get_mut(&address).unwrap().as_mut().unwrap().slots.remove(key);
            match ask(&scene) {
                Ok(computed) => assert_eq!(computed, expected),
                Err(_) => {
                    let missing = missing(&scene);
                    assert_eq!(missing.kind(), Kind::Slot);
                    assert_eq!((&missing.address[..], &missing.key[..]), (&address[..], &key[..]));
                    slots_named += 1;
                }
            }
        }
    }
    // Sender, contract, target, coinbase, beacon roots; slots 1, 2 and 3.
    assert_eq!((accounts_named, slots_named), (5, 3));
}

#[test]
fn codes_and_ancestors_are_missing_as_in_proof_mode() {
    let mut scene = contract_scene("cancun", &[0]).listing(&ABSENT);
    scene.codes.clear();
    assert_eq!(missing(&scene).kind(), Kind::Code);
    let scene = contract_scene("cancun", &storing_block_hash(support::NUMBER - 9)).listing(&ABSENT);
    assert_eq!((missing(&scene).kind(), missing(&scene).number), (Kind::Header, support::NUMBER - 9));
}

#[test]
fn a_file_without_a_section_is_refused_and_the_trusted_root_still_counts() {
    let Err(Stop::Abstain(abstention)) = ask(&transfer()) else { panic!("not refused") };
    assert_eq!(abstention.reason(), AbstentionReason::Refused);
    assert!(abstention.detail.contains("no prestate section"));
    let mut scene = transfer().listing(&ABSENT);
    scene.pre_state_root = B256::repeat_byte(1);
    let Err(Stop::Abstain(abstention)) = ask(&scene) else { panic!("not refused") };
    assert!(abstention.detail.contains("is not the trusted"));
}

// What a section has to list beyond what geth reads: the account of a precompile that is called, also by DELEGATECALL.
#[test]
fn the_account_of_a_precompile_is_read_by_every_call() {
    let precompile = Address::with_last_byte(4);
    for (instruction, zeros) in [(0xf1, 5), (0xf2, 5), (0xf4, 4), (0xfa, 4)] {
        let code = [&vec![0x5f; zeros][..], &[0x73], precompile.as_slice(), &[0x5a, instruction]].concat();
        let scene = contract_scene("cancun", &code);
        let without = scene.clone().listing(&ABSENT);
        assert_eq!(missing(&without).address, precompile.to_vec(), "{instruction:02x}");
        agrees(&scene, &[&ABSENT[..], &[precompile]].concat(), &[]);
    }
}

// revm takes no access list for a read (EIP-2930), nor the coinbase's warmth (EIP-3651).
#[test]
fn an_access_list_is_not_read() {
    let item = |address| AccessListItem { address, storage_keys: vec![B256::repeat_byte(9)] };
    let list = AccessList(vec![item(TARGET), item(CONTRACT)]);
    let tx = TxEip1559 { access_list: list, ..support::unsigned(RECIPIENT, 5, 100_000) };
    let tx = Transaction::Eip1559(Signed::new_unhashed(tx, signature()));
    agrees(&Scene::new("cancun", &crowd(), vec![tx]), &ABSENT, &[]);
}
