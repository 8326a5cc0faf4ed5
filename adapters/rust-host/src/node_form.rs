//! The form of a trie node, checked before a client's trie sees it.
//!
//! A node that does not pass is as good as missing (adapters/CONTRACT.md, 4). Source: yellow paper, appendix D.

use crate::rlp::{self, Item, Malformed};

/// Nibbles of a key of the account and storage tries: keccak-256 of an address or of a slot.
pub const KEY_NIBBLES: usize = 64;
const HASH_LENGTH: usize = 32; // bytes; a node of at least this length is referenced by its hash
const BRANCH_ITEMS: usize = 17;

/// Checks `encoded` as a node that has `remaining` nibbles of the key below it.
///
/// The paths must add up to the key's length, a branch must have two children at least and no value: so every node
/// has its place, and the depth of a trie is bounded.
pub fn check(encoded: &[u8], remaining: usize) -> Result<(), Malformed> {
    let mut items = [None; BRANCH_ITEMS];
    for (index, item) in rlp::list(encoded)?.enumerate() {
        *items.get_mut(index).ok_or("more than 17 items in a node")? = Some(item?);
    }
    match items {
        [Some(path), Some(value), None, ..] => check_short(path, value, remaining),
        [.., Some(value)] => check_branch(items[..BRANCH_ITEMS - 1].iter().flatten(), value, remaining),
        _ => Err("a node has 2 or 17 items"),
    }
}

fn check_short(path: Item<'_>, value: Item<'_>, remaining: usize) -> Result<(), Malformed> {
    let (is_leaf, nibbles) = compact_path(path)?;
    if is_leaf {
        if nibbles != remaining {
            return Err("a leaf does not end at the key's length");
        }
        if value.is_list || value.payload.is_empty() {
            return Err("a leaf without a value");
        }
        return Ok(());
    }
    // An extension of no nibbles would let a chain of nodes be of any depth.
    if nibbles == 0 || nibbles >= remaining {
        return Err("the path of an extension is empty or too long");
    }
    if !check_child(value, remaining - nibbles)? {
        return Err("an extension without a child");
    }
    Ok(())
}

/// Whether it is a leaf's, and how many nibbles it has.
fn compact_path(path: Item<'_>) -> Result<(bool, usize), Malformed> {
    let first = match path {
        Item { is_list: true, .. } => return Err("a list as a path"),
        Item { payload, .. } => payload.first().ok_or("an empty path")?,
    };
    let (flag, low_nibble) = (first >> 4, first & 0x0f);
    if flag > 3 {
        return Err("unknown flag of a path");
    }
    let is_odd = flag & 1 == 1;
    if !is_odd && low_nibble != 0 {
        return Err("padding of a path is not zero");
    }
    Ok((flag & 2 == 2, 2 * (path.payload.len() - 1) + usize::from(is_odd)))
}

fn check_branch<'a>(
    children: impl Iterator<Item = &'a Item<'a>>,
    value: Item<'_>,
    remaining: usize,
) -> Result<(), Malformed> {
    // Keys all have the same length, so none ends at a branch.
    if remaining == 0 || value.is_list || !value.payload.is_empty() {
        return Err("a branch with a value, or at the key's end");
    }
    let mut present = 0;
    for child in children {
        present += usize::from(check_child(*child, remaining - 1)?);
    }
    if present < 2 { Err("a branch with less than two children") } else { Ok(()) }
}

/// Whether there is a child: the empty string (none), 32 bytes (a hash), or a node of less than 32 bytes, embedded.
fn check_child(child: Item<'_>, remaining: usize) -> Result<bool, Malformed> {
    match child {
        Item { is_list: false, payload: [], .. } => Ok(false),
        Item { is_list: false, payload, .. } if payload.len() == HASH_LENGTH => Ok(true),
        Item { is_list: true, encoded, .. } if encoded.len() < HASH_LENGTH => check(encoded, remaining).map(|()| true),
        _ => Err("a child reference is neither a hash nor an embedded node"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn branch(children: &[Vec<u8>]) -> Vec<u8> {
        let mut payload: Vec<u8> = children.concat();
        payload.extend(vec![0x80; 17 - children.len()]);
        let mut encoded =
            if payload.len() < 56 { vec![0xc0 + payload.len() as u8] } else { vec![0xf8, payload.len() as u8] };
        encoded.extend(payload);
        encoded
    }

    fn hash() -> Vec<u8> {
        [vec![0xa0], vec![7; 32]].concat()
    }

    #[test]
    fn accepts_each_kind_of_node_at_its_depth() {
        assert_eq!(check(&branch(&[hash(), hash()]), 64), Ok(()));
        assert_eq!(check(&[0xc4, 0x82, 0x20, 0x11, 0x05], 2), Ok(())); // leaf, nibbles 1 1
        assert_eq!(check(&[0xc2, 0x31, 0x05], 1), Ok(())); // leaf, nibble 1
        let embedded = vec![0xc2, 0x31, 0x05];
        assert_eq!(check(&branch(&[embedded.clone(), embedded]), 2), Ok(()));
    }

    #[test]
    fn refuses_child_references_that_are_neither_hash_nor_embedded_node() {
        for length in (1..80).filter(|&length| length != 32) {
            let mut child = if length < 56 { vec![0x80 + length as u8] } else { vec![0xb8, length as u8] };
            child.extend(vec![0xaa; length]);
            assert!(check(&branch(&[child, hash()]), 64).is_err(), "{length}");
        }
        let long_list = [vec![0xe0], vec![0x01; 32]].concat();
        assert!(check(&branch(&[long_list, hash()]), 64).is_err());
    }

    #[test]
    fn refuses_what_would_make_the_depth_unbounded() {
        let empty_extension = [vec![0xe2, 0x00], hash()].concat();
        assert!(check(&empty_extension, 64).is_err());
        let whole_key = [vec![0xf8, 67, 0xa1, 0x00], vec![0x11; 32], hash()].concat();
        assert!(check(&whole_key, 64).is_err());
    }

    #[test]
    fn refuses_a_leaf_off_the_keys_end_and_a_branch_with_a_value() {
        assert!(check(&[0xc2, 0x31, 0x05], 2).is_err());
        let mut with_value = branch(&[hash(), hash()]);
        *with_value.last_mut().unwrap() = 5;
        assert!(check(&with_value, 64).is_err());
        assert!(check(&branch(&[hash()]), 64).is_err());
        assert!(check(&[0x80], 64).is_err()); // the "null node" that some recorders emit
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..100), remaining in 0usize..65) {
            if check(&bytes, remaining).is_ok() {
                prop_assert!(rlp::list(&bytes).unwrap().all(|item| item.is_ok()));
            }
        }
    }
}
