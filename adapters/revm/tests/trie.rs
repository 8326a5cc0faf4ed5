//! The partial trie against alloy-trie's HashBuilder: reads, puts, removals, and what is said where nodes are missing.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use adapter_host::hash::Hash;
use adapter_host::testing::file::{encode, encode_witness};
use adapter_host::witness_file::WitnessFile;
use alloy_primitives::{B256, keccak256};
use alloy_trie::EMPTY_ROOT_HASH;
use proptest::prelude::*;
use revm_adapter::node_index::NodeIndex;
use revm_adapter::trie::{MissingNode, Trie};
use support::trie;

type Entries = BTreeMap<B256, Vec<u8>>;

fn index(nodes: &[Vec<u8>]) -> NodeIndex {
    let sections = [(1, vec![]), (2, encode_witness(nodes, &[], &[])), (3, vec![])];
    let file = WitnessFile::from_bytes(encode(1, 1, Hash([0; 32]), &sections).into()).ok().unwrap();
    NodeIndex::new(Arc::new(file))
}

/// Keys that share long starts, so that extensions, branches at any depth and embedded nodes come about.
fn key() -> impl Strategy<Value = B256> {
    let shared = prop::sample::select(vec![0usize, 1, 2, 5, 31, 32]);
    (shared, prop::collection::vec(prop::sample::select(vec![0u8, 1, 0x10, 0x11, 0xff]), 32)).prop_map(
        |(shared, mut bytes)| {
            bytes[..shared].fill(0x22);
            B256::from_slice(&bytes)
        },
    )
}

/// From one byte, so that leaves are embedded in their parents, to more than a hash.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(1u8.., 1..50)
}

fn entries(most: usize) -> impl Strategy<Value = Entries> {
    prop::collection::btree_map(key(), value(), 0..most)
}

/// Puts first, then removals, as the adapter makes its changes.
fn change(trie: &mut Trie, index: &NodeIndex, changes: &BTreeMap<B256, Option<Vec<u8>>>) -> Result<B256, MissingNode> {
    for (key, value) in changes {
        if let Some(value) = value {
            trie.put(index, key, value.clone())?;
        }
    }
    for (key, _) in changes.iter().filter(|(_, value)| value.is_none()) {
        trie.remove(index, key)?;
    }
    Ok(trie.root())
}

/// Some new or changed values, and removals of some of the entries and of keys that are not there.
fn changes(before: Entries) -> impl Strategy<Value = (Entries, BTreeMap<B256, Option<Vec<u8>>>)> {
    let keys: Vec<B256> = before.keys().copied().collect();
    let removed = prop::collection::vec(key(), 0..4);
    let kept = prop::collection::vec(any::<prop::sample::Index>(), if keys.is_empty() { 0..1 } else { 0..6 });
    (Just(before), entries(6), removed, kept).prop_map(move |(before, put, absent, chosen)| {
        let mut changes: BTreeMap<_, _> = put.into_iter().map(|(key, value)| (key, Some(value))).collect();
        let existing = chosen.iter().filter(|_| !keys.is_empty()).map(|index| keys[index.index(keys.len())]);
        changes.extend(existing.chain(absent).map(|key| (key, None)));
        (before, changes)
    })
}

fn after(before: &Entries, changes: &BTreeMap<B256, Option<Vec<u8>>>) -> Entries {
    let mut after = before.clone();
    for (key, value) in changes {
        match value {
            Some(value) => after.insert(*key, value.clone()),
            None => after.remove(key),
        };
    }
    after
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn reads_what_is_there_and_proves_what_is_not(before in entries(20), others in prop::collection::vec(key(), 5)) {
        let (root, nodes) = trie(before.clone());
        let index = index(&nodes);
        let mut trie = Trie::new(root);
        for key in before.keys().chain(&others) {
            let found = trie.get(&index, key).unwrap();
            prop_assert_eq!(found.map(|proven| proven.value.to_vec()), before.get(key).cloned());
        }
        prop_assert_eq!(trie.root(), root);
    }

    #[test]
    fn changes_lead_to_the_root_of_the_changed_entries((before, changes) in entries(20).prop_flat_map(changes)) {
        let (root, nodes) = trie(before.clone());
        let expected = trie(after(&before, &changes)).0;
        prop_assert_eq!(change(&mut Trie::new(root), &index(&nodes), &changes), Ok(expected));
    }

    // Each node is taken away in turn: the root is the same, or exactly that node is said to be missing.
    #[test]
    fn a_missing_node_is_named((before, changes) in entries(12).prop_flat_map(changes)) {
        let (root, nodes) = trie(before.clone());
        let expected = trie(after(&before, &changes)).0;
        for dropped in 0..nodes.len() {
            let mut rest = nodes.clone();
            let hash = keccak256(rest.remove(dropped));
            match change(&mut Trie::new(root), &index(&rest), &changes) {
                Ok(computed) => prop_assert_eq!(computed, expected),
                Err(missing) => prop_assert_eq!(missing, MissingNode(hash)),
            }
        }
    }

    // Whatever a node's bytes are turned into: no panic, and no other value than the true one.
    #[test]
    fn a_mangled_node_is_a_missing_node(
        before in entries(12), at: prop::sample::Index, byte: prop::sample::Index, flip in 1u8.., cut in 0usize..3
    ) {
        let (root, mut nodes) = trie(before.clone());
        prop_assume!(!nodes.is_empty());
        let at = at.index(nodes.len());
        let byte = byte.index(nodes[at].len());
        nodes[at][byte] ^= flip;
        let length = nodes[at].len() - cut.min(nodes[at].len());
        nodes[at].truncate(length);
        let index = index(&nodes);
        let mut trie = Trie::new(root);
        for (key, value) in &before {
            if let Ok(found) = trie.get(&index, key) {
                prop_assert_eq!(found.map(|proven| proven.value.to_vec()), Some(value.clone()));
            }
        }
    }

    // A trie of garbage under its own hash, as a hostile witness may bring along: no panic, no endless work.
    #[test]
    fn garbage_never_panics(node in prop::collection::vec(any::<u8>(), 0..120), keys in prop::collection::vec(key(), 3)) {
        let index = index(std::slice::from_ref(&node));
        let mut trie = Trie::new(keccak256(&node));
        for key in &keys {
            let _ = trie.get(&index, key);
            let _ = trie.put(&index, key, vec![1; 40]);
            let _ = trie.remove(&index, key);
        }
        trie.root();
    }
}

#[test]
fn the_empty_trie_needs_no_nodes() {
    let index = index(&[]);
    let mut trie = Trie::new(EMPTY_ROOT_HASH);
    let key = B256::repeat_byte(1);
    assert_eq!(trie.get(&index, &key), Ok(None));
    assert_eq!(trie.remove(&index, &key), Ok(()));
    assert_eq!(trie.root(), EMPTY_ROOT_HASH);
    trie.put(&index, &key, vec![7]).unwrap();
    assert_eq!(trie.root(), support::trie([(key, vec![7])]).0);
    trie.remove(&index, &key).unwrap();
    assert_eq!(trie.root(), EMPTY_ROOT_HASH);
}

#[test]
fn a_sibling_is_asked_for_only_where_it_moves_up() {
    let key = |first: u8| {
        let mut key = B256::ZERO;
        key[0] = first;
        key
    };
    let entries = [(key(0x10), vec![1; 40]), (key(0x20), vec![2; 40])];
    let (root, nodes) = trie(entries.clone());
    let is_sibling = |node: &Vec<u8>| node.windows(40).any(|window| window == [2; 40]) && keccak256(node) != root;
    let rest: Vec<_> = nodes.iter().filter(|node| !is_sibling(node)).cloned().collect();
    let index = index(&rest);
    let missing = keccak256(nodes.iter().find(|node| is_sibling(node)).unwrap());
    assert_eq!(Trie::new(root).remove(&index, &key(0x10)), Err(MissingNode(missing)));
    let mut filled = Trie::new(root);
    filled.put(&index, &key(0x30), vec![3; 40]).unwrap();
    assert_eq!(filled.remove(&index, &key(0x10)), Ok(()));
    assert_eq!(filled.root(), trie([entries[1].clone(), (key(0x30), vec![3; 40])]).0);
}
