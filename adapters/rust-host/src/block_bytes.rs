//! What has to be known of a block before the client decodes it: the bytes that its hash is of, and its fork.

use crate::hash::Hash;
use crate::rlp::{self, Malformed};

// Places in the list of header fields (yellow paper, 4.4.3).
const PARENT_HASH: usize = 0;
const STATE_ROOT: usize = 3;
const DIFFICULTY: usize = 7;
const NUMBER: usize = 8;
const TIMESTAMP: usize = 11;

/// The header fields that decide the fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForkFields {
    pub number: u64,
    pub timestamp: u64, // seconds
    pub has_difficulty: bool,
}

/// The encoded header of the encoded block, the first item of its list. What follows in the block is not looked at.
pub fn header(block: &[u8]) -> Result<&[u8], Malformed> {
    let (item, _) = rlp::split(block)?;
    if !item.is_list {
        return Err("not a list");
    }
    let (header, _) = rlp::split(item.payload)?;
    if header.is_list { Ok(header.encoded) } else { Err("the header is not a list") }
}

/// Reads number, timestamp and difficulty also of a header with fields that the client does not know.
pub fn fork_fields(header: &[u8]) -> Result<ForkFields, Malformed> {
    let mut fields = rlp::list(header)?;
    let mut skipped = 0;
    let mut field = |index: usize| {
        let item = fields.nth(index - skipped).ok_or("fields are missing")??;
        skipped = index + 1;
        if item.is_list { Err("a list as a number") } else { Ok(item.payload) }
    };
    let has_difficulty = !field(DIFFICULTY)?.is_empty();
    let number = integer(field(NUMBER)?)?;
    let timestamp = integer(field(TIMESTAMP)?)?;
    Ok(ForkFields { number, timestamp, has_difficulty })
}

/// The hash that the header names as its parent's.
pub fn parent_hash(header: &[u8]) -> Result<Hash, Malformed> {
    hash_field(header, PARENT_HASH)
}

/// The root of the state after the header's block.
pub fn state_root(header: &[u8]) -> Result<Hash, Malformed> {
    hash_field(header, STATE_ROOT)
}

fn hash_field(header: &[u8], index: usize) -> Result<Hash, Malformed> {
    let field = rlp::list(header)?.nth(index).ok_or("fields are missing")??;
    let hash = if field.is_list { None } else { Hash::from_slice(field.payload) };
    hash.ok_or("a hash is not 32 bytes")
}

fn integer(payload: &[u8]) -> Result<u64, Malformed> {
    if payload.len() > 8 {
        return Err("a number of more than 64 bits");
    }
    if payload.first() == Some(&0) {
        return Err("a number with leading zeros");
    }
    Ok(payload.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::rlp::{encode_integer, encode_list, encode_string};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reads_what_was_written(parent: [u8; 32], root: [u8; 32], number: u64, timestamp: u64, difficulty: u64) {
            let mut fields = vec![encode_string(&[]); 15];
            fields[PARENT_HASH] = encode_string(&parent);
            fields[STATE_ROOT] = encode_string(&root);
            fields[DIFFICULTY] = encode_integer(difficulty);
            fields[NUMBER] = encode_integer(number);
            fields[TIMESTAMP] = encode_integer(timestamp);
            let encoded = encode_list(&fields);
            let block = encode_list(&[encoded.clone(), encode_list(&[]), encode_list(&[])]);
            prop_assert_eq!(header(&block).unwrap(), &encoded[..]);
            let expected = ForkFields { number, timestamp, has_difficulty: difficulty != 0 };
            prop_assert_eq!(fork_fields(&encoded).unwrap(), expected);
            prop_assert_eq!((parent_hash(&encoded), state_root(&encoded)), (Ok(Hash(parent)), Ok(Hash(root))));
        }
    }

    #[test]
    fn refuses_what_is_no_block() {
        for bytes in [&[][..], &[0x80], &[0xc0], &[0xc1, 0x80], &[0xc2, 0xc1]] {
            assert!(header(bytes).is_err(), "{bytes:02x?}");
        }
        assert!(fork_fields(&[0xc0]).is_err() && parent_hash(&[0xc0]).is_err() && state_root(&[0xc1, 0x80]).is_err());
    }
}
