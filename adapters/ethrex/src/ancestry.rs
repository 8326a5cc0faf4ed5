//! The headers of the witness, bound to the block by hash.

use std::collections::HashMap;

use ethrex_common::{H256, types::BlockHeader};
use ethrex_crypto::keccak::keccak_hash;
use ethrex_rlp::decode::RLPDecode;

use crate::missing::Missing;
use crate::rlp;
use crate::witness_file::WitnessFile;

/// Why the headers cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub enum Unusable {
    Missing(Missing),
    Refused(String),
}

/// The parent and the hashes of the ancestors that the witness proves.
#[derive(Debug, Clone)]
pub struct Ancestry {
    /// None where the witness has no headers at all, and the request allows that.
    pub parent: Option<BlockHeader>,
    block_number: u64,
    /// Of the parent, the grandparent, and so on. One more than there are headers: the lowest names its parent.
    hashes: Vec<H256>,
    /// By number, where no header is: what the verifier says of its own chain.
    vouched: HashMap<u64, H256>,
}

impl Ancestry {
    /// Checks the chain of headers below the block `header`.
    ///
    /// parent_optional: an empty list is no error. A list whose last header is not the parent always is: nothing binds
    /// it to the block.
    /// vouched: hashes by number that the verifier vouches for; a header of the witness comes first.
    pub fn new(
        header: &BlockHeader,
        file: &WitnessFile,
        parent_optional: bool,
        vouched: HashMap<u64, H256>,
    ) -> Result<Self, Unusable> {
        let parent_missing =
            Unusable::Missing(Missing::Parent { hash: header.parent_hash, number: header.number.saturating_sub(1) });
        if file.headers.is_empty() && !parent_optional {
            return Err(parent_missing);
        }
        let mut hashes = vec![header.parent_hash];
        let mut parent = None;
        for (distance, place) in file.headers.iter().rev().enumerate() {
            let encoded = &file.bytes()[place.clone()];
            if keccak_hash(encoded) != hashes[distance].0 {
                return Err(if distance == 0 {
                    parent_missing
                } else {
                    Unusable::Refused(format!(
                        "header {} of the witness is not the parent of the one after it",
                        file.headers.len() - 1 - distance
                    ))
                });
            }
            if distance == 0 {
                parent = Some(decode_parent(encoded, header.parent_hash)?);
            }
            hashes.push(
                parent_hash(encoded).map_err(|reason| Unusable::Refused(format!("header of the witness: {reason}")))?,
            );
        }
        Ok(Self { parent, block_number: header.number, hashes, vouched })
    }

    /// The hash of ancestor `number`, if the chain of headers proves it or the verifier vouches for it.
    pub fn hash(&self, number: u64) -> Option<H256> {
        let distance = self.block_number.checked_sub(number)?.checked_sub(1)?;
        let proven = self.hashes.get(usize::try_from(distance).ok()?);
        proven.or_else(|| self.vouched.get(&number)).copied()
    }
}

fn decode_parent(encoded: &[u8], hash: H256) -> Result<BlockHeader, Unusable> {
    let parent = BlockHeader::decode(encoded)
        .map_err(|error| Unusable::Refused(format!("the parent's header cannot be decoded: {error}")))?;
    // The client would hash what it encodes again; the hash of the very bytes is what the block names.
    let _ = parent.hash.set(hash);
    Ok(parent)
}

fn parent_hash(encoded: &[u8]) -> Result<H256, rlp::Malformed> {
    let first = rlp::list(encoded)?.next().ok_or("a header without fields")??;
    if first.is_list || first.payload.len() != 32 {
        return Err("a parent hash is not 32 bytes");
    }
    Ok(H256::from_slice(first.payload))
}
