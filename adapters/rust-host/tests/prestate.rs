//! The prestate section against a writer of its own, and what a client is told of a block's changes.

use std::collections::BTreeMap;

use adapter_host::address::Address;
use adapter_host::hash::Hash;
use adapter_host::missing::Missing;
use adapter_host::outcome::Stop;
use adapter_host::post_state::{After, PostState};
use adapter_host::prestate::{EMPTY_TRIE_ROOT, Prestate};
use adapter_host::rpc::missing::Kind;
use adapter_host::rpc::{self, AbstentionReason, PostAccount, PostSlot};
use adapter_host::testing::file;
use adapter_host::testing::prestate::{Account, Accounts, encode, encode_account};
use adapter_host::testing::rlp::{encode_integer, encode_list, encode_string};
use adapter_host::witness_file::WitnessFile;
use adapter_host::word::Word;
use proptest::prelude::*;

const FULL: [u8; 20] = [0x11; 20];
const ABSENT: [u8; 20] = [0x22; 20];
const PLAIN: [u8; 20] = [0x33; 20]; // without storage

fn word(value: u64) -> [u8; 32] {
    Word::from(value).0
}

fn account(storage_root: [u8; 32], slots: &[(u64, u64)]) -> Account {
    Account {
        nonce: 1,
        balance: word(100),
        storage_root,
        code_hash: [0xcc; 32],
        slots: slots.iter().map(|(key, value)| (word(*key), word(*value))).collect(),
    }
}

fn sample() -> Accounts {
    BTreeMap::from([
        (FULL, Some(account([0xaa; 32], &[(1, 11), (2, 0), (3, 33)]))),
        (ABSENT, None),
        (PLAIN, Some(account(EMPTY_TRIE_ROOT.0, &[]))),
    ])
}

fn parse(accounts: &Accounts) -> Prestate {
    Prestate::parse(&encode(accounts)).unwrap()
}

// ---- reading -------------------------------------------------------------------------------------------------------

#[test]
fn what_is_listed_is_known_and_the_rest_is_missing() {
    let prestate = parse(&sample());
    let full = prestate.account(Address(FULL)).unwrap().unwrap();
    assert_eq!((full.nonce, full.balance, full.code_hash), (1, Word::from(100), Hash([0xcc; 32])));
    assert_eq!(prestate.account(Address(ABSENT)), Ok(None));
    let slot = |address, key: u64| prestate.slot(Address(address), Word::from(key));
    assert_eq!((slot(FULL, 1), slot(FULL, 2)), (Ok(Word::from(11)), Ok(Word::ZERO)));
    assert_eq!((slot(ABSENT, 9), slot(PLAIN, 9)), (Ok(Word::ZERO), Ok(Word::ZERO)));
    assert_eq!(prestate.first_missing(), None);

    let missing = Missing::Slot { address: Address(FULL), key: Word::from(9) };
    assert_eq!(slot(FULL, 9), Err(missing.clone()));
    let unknown = Address([0x44; 20]);
    assert_eq!(prestate.account(unknown), Err(Missing::Account { address: unknown }));
    assert_eq!(slot(unknown.0, 1), Err(Missing::Account { address: unknown }));
    assert_eq!(prestate.first_missing(), Some(&missing)); // the first, whatever came after
}

#[test]
fn a_miss_is_named_by_address_and_key() {
    let message = rpc::Missing::from(Missing::Slot { address: Address(FULL), key: Word::from(9) });
    assert_eq!((message.kind(), &message.address[..], &message.key[..]), (Kind::Slot, &FULL[..], &word(9)[..]));
    assert!(message.hash.is_empty());
    let message = rpc::Missing::from(Missing::Account { address: Address(FULL) });
    assert_eq!((message.kind(), &message.address[..], message.key.len()), (Kind::Account, &FULL[..], 0));
}

#[test]
fn a_file_without_the_section_or_with_a_malformed_one_is_refused() {
    let refused = |extra: &[(u32, Vec<u8>)]| {
        let required = [(1, vec![]), (2, file::encode_witness(&[], &[], &[])), (3, vec![])];
        let encoded = file::encode(1, 1, Hash([1; 32]), &[&required[..], extra].concat());
        let file = WitnessFile::from_bytes(encoded.into()).ok().unwrap();
        match Prestate::of(&file) {
            Err(Stop::Abstain(abstention)) => {
                assert_eq!(abstention.reason(), AbstentionReason::Refused);
                Some(abstention.detail)
            }
            Ok(_) => None,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(&[(4, encode(&sample()))]), None);
    assert!(refused(&[]).unwrap().contains("no prestate section"));
    assert!(refused(&[(4, vec![0x80])]).unwrap().contains("prestate section: "));
}

/// A section of one account, made of these fields.
fn of_fields(fields: &[Vec<u8>]) -> Vec<u8> {
    encode_list(&[encode_list(fields)])
}

#[test]
fn everything_that_is_not_exactly_a_section_is_malformed() {
    let full = sample()[&FULL].clone().unwrap();
    let good: Vec<Vec<u8>> = vec![
        encode_string(&FULL),
        encode_integer(1),
        encode_integer(2),
        encode_string(&[0xaa; 32]),
        encode_string(&[0xcc; 32]),
        encode_list(&[]),
    ];
    assert!(Prestate::parse(&of_fields(&good)).is_ok());
    let replaced = |index: usize, field: Vec<u8>| {
        let mut fields = good.clone();
        fields[index] = field;
        of_fields(&fields)
    };
    let slots = |slots: &[Vec<u8>]| replaced(5, encode_list(slots));
    let slot = |key: &[u8], value: &[u8]| encode_list(&[encode_string(key), encode_string(value)]);
    let twice = encode_account(&FULL, Some(&full));
    let mut cases = vec![
        vec![],
        vec![0x80],
        [encode(&sample()), vec![0]].concat(),
        encode_list(&[encode_string(&FULL)]),
        encode_list(&[twice.clone(), twice]),
        encode_list(&[encode_account(&ABSENT, None), encode_account(&FULL, None)]),
        of_fields(&[]),
        of_fields(&[encode_string(&FULL[1..])]),
        of_fields(&[good.clone(), vec![encode_list(&[])]].concat()),
        replaced(0, encode_list(&[])),
        replaced(1, encode_string(&[0, 1])),
        replaced(1, encode_string(&[1; 9])),
        replaced(2, encode_string(&[0])),
        replaced(2, encode_string(&[1; 33])),
        replaced(3, encode_string(&[0xaa; 31])),
        replaced(4, encode_list(&[])),
        replaced(5, encode_string(&[])),
        slots(&[encode_string(&[1; 32])]),
        slots(&[slot(&[1; 31], &[1])]),
        slots(&[slot(&[1; 32], &[0])]),
        slots(&[slot(&[1; 32], &[1; 33])]),
        slots(&[slot(&[2; 32], &[1]), slot(&[1; 32], &[1])]),
        slots(&[slot(&[1; 32], &[1]), slot(&[1; 32], &[1])]),
        slots(&[encode_list(&[encode_string(&[1; 32])])]),
        slots(&[encode_list(&[encode_string(&[1; 32]), encode_integer(1), encode_integer(1)])]),
        encode(&BTreeMap::from([(PLAIN, Some(account(EMPTY_TRIE_ROOT.0, &[(1, 1)])))])),
    ];
    cases.extend((2..6).map(|count| of_fields(&good[..count])));
    for case in cases {
        assert!(Prestate::parse(&case).is_err(), "{case:02x?}");
    }
}

fn any_account() -> impl Strategy<Value = Option<Account>> {
    let slots = prop::collection::btree_map(any::<[u8; 32]>(), prop_oneof![Just([0; 32]), any::<[u8; 32]>()], 0..5);
    let account = (any::<u64>(), any::<[u8; 32]>(), any::<[u8; 32]>(), any::<[u8; 32]>(), slots);
    prop::option::of(account.prop_map(|(nonce, balance, storage_root, code_hash, slots)| Account {
        nonce,
        balance,
        storage_root,
        code_hash,
        slots,
    }))
}

proptest! {
    #[test]
    fn reads_what_was_written(accounts in prop::collection::btree_map(any::<[u8; 20]>(), any_account(), 0..8)) {
        let prestate = parse(&accounts);
        for (address, written) in &accounts {
            let read = prestate.account(Address(*address)).unwrap();
            let Some(written) = written else {
                prop_assert_eq!(read, None);
                continue;
            };
            let read = read.unwrap();
            prop_assert_eq!((read.nonce, read.balance), (written.nonce, Word(written.balance)));
            prop_assert_eq!((read.storage_root.0, read.code_hash.0), (written.storage_root, written.code_hash));
            let slots: BTreeMap<_, _> = read.slots().iter().map(|(key, value)| (key.0, value.0)).collect();
            prop_assert_eq!(&slots, &written.slots);
            for (key, value) in &written.slots {
                prop_assert_eq!(prestate.slot(Address(*address), Word(*key)), Ok(Word(*value)));
            }
        }
    }

    #[test]
    fn of_changed_bytes_those_are_read_that_could_have_been_written(place: prop::sample::Index, byte: u8) {
        let mut bytes = encode(&sample());
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(prestate) = Prestate::parse(&bytes) {
            prop_assert_eq!(encode(&written(&prestate)), bytes);
        }
    }

    #[test]
    fn of_any_bytes_those_are_read_that_could_have_been_written(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(prestate) = Prestate::parse(&bytes) {
            prop_assert_eq!(encode(&written(&prestate)), bytes);
        }
    }
}

/// As the writer takes it.
fn written(prestate: &Prestate) -> Accounts {
    let account = |account: &adapter_host::prestate::Account| Account {
        nonce: account.nonce,
        balance: account.balance.0,
        storage_root: account.storage_root.0,
        code_hash: account.code_hash.0,
        slots: account.slots().iter().map(|(key, value)| (key.0, value.0)).collect(),
    };
    prestate.accounts().map(|(address, read)| (address.0, read.map(account))).collect()
}

// ---- what a block changed ------------------------------------------------------------------------------------------

/// FULL as it is before the block.
fn unchanged() -> After {
    After {
        nonce: 1,
        balance: Word::from(100),
        code_hash: Hash([0xcc; 32]),
        storage_is_new: false,
        slots: BTreeMap::new(),
    }
}

fn slots(slots: &[(u64, u64)]) -> BTreeMap<Word, Word> {
    slots.iter().map(|(key, value)| (Word::from(*key), Word::from(*value))).collect()
}

fn messages(address: [u8; 20], after: Option<After>) -> Result<Vec<PostAccount>, Missing> {
    let prestate = parse(&sample());
    let mut post_state = PostState::new(&prestate);
    post_state.put(Address(address), after)?;
    Ok(post_state.messages())
}

#[test]
fn touched_but_equal_is_not_changed() {
    let equal = After { slots: slots(&[(1, 11), (2, 0)]), ..unchanged() };
    assert_eq!(messages(FULL, Some(equal)), Ok(vec![]));
    assert_eq!(messages(ABSENT, None), Ok(vec![]));
}

#[test]
fn each_part_of_an_account_is_a_change() {
    for after in [
        After { nonce: 2, ..unchanged() },
        After { balance: Word::ZERO, ..unchanged() },
        After { code_hash: Hash([1; 32]), ..unchanged() },
    ] {
        let [message] = &messages(FULL, Some(after.clone())).unwrap()[..] else { panic!("not one message") };
        assert_eq!((&message.address[..], message.nonce, message.deleted), (&FULL[..], after.nonce, false));
        assert_eq!((&message.balance, &message.code_hash[..]), (&after.balance.to_minimal(), &after.code_hash.0[..]));
        assert!(message.slots.is_empty());
    }
}

#[test]
fn slots_are_changes_where_their_value_is_another() {
    let after = After { slots: slots(&[(3, 0), (1, 11), (2, 7)]), ..unchanged() };
    let [message] = &messages(FULL, Some(after)).unwrap()[..] else { panic!("not one message") };
    let slot = |key, value| PostSlot { key: word(key).to_vec().into(), value: Word::from(value).to_minimal() };
    assert_eq!(message.slots, [slot(2, 7), slot(3, 0)]);
    let unlisted = After { slots: slots(&[(9, 1)]), ..unchanged() };
    assert_eq!(messages(FULL, Some(unlisted)), Err(Missing::Slot { address: Address(FULL), key: Word::from(9) }));
}

#[test]
fn an_account_that_came_to_be_or_is_no_more_is_changed() {
    let empty = After { nonce: 0, balance: Word::ZERO, ..unchanged() };
    let [created] = &messages(ABSENT, Some(empty)).unwrap()[..] else { panic!("not one message") };
    assert!(!created.deleted && created.balance.is_empty());
    let deleted = PostAccount { address: FULL.to_vec().into(), deleted: true, ..PostAccount::default() };
    assert_eq!(messages(FULL, None), Ok(vec![deleted]));
}

#[test]
fn an_account_that_was_destroyed_and_came_to_be_again_lost_the_slots_that_it_does_not_have() {
    let after = After { storage_is_new: true, slots: slots(&[(1, 11), (9, 5), (8, 0)]), ..unchanged() };
    let [message] = &messages(FULL, Some(after)).unwrap()[..] else { panic!("not one message") };
    let slot = |key, value| PostSlot { key: word(key).to_vec().into(), value: Word::from(value).to_minimal() };
    assert_eq!(message.slots, [slot(3, 0), slot(9, 5)]); // slot 1 is what it was, slot 9 counts as zero before
    let same = After { storage_is_new: true, slots: slots(&[(1, 11), (3, 33)]), ..unchanged() };
    assert_eq!(messages(FULL, Some(same)), Ok(vec![]));
}

#[test]
fn messages_ascend_by_address_and_unlisted_accounts_are_missing() {
    let prestate = parse(&sample());
    let mut post_state = PostState::new(&prestate);
    for address in [PLAIN, ABSENT, FULL] {
        post_state.put(Address(address), Some(After { nonce: 9, ..unchanged() })).unwrap();
    }
    let unlisted = Address([0x44; 20]);
    assert_eq!(post_state.put(unlisted, None), Err(Missing::Account { address: unlisted }));
    let addresses: Vec<_> = post_state.messages().into_iter().map(|message| message.address.to_vec()).collect();
    assert_eq!(addresses, [FULL, ABSENT, PLAIN].map(Vec::from));
}
