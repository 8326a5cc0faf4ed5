//! The headers of the witness, bound to the block by hash.

use std::collections::HashMap;
use std::ops::Range;

use crate::binding::Bound;
use crate::block_bytes;
use crate::client::Question;
use crate::hash::{Hash, Keccak};
use crate::missing::Missing;
use crate::outcome::{Stop, refuse};
use crate::witness_file::WitnessFile;

/// The parent and the hashes of the ancestors that the witness proves.
#[derive(Debug, Clone)]
pub struct Ancestry {
    /// The place of its RLP. None where the witness has no headers at all, and the request allows that.
    pub parent: Option<Range<usize>>,
    pub parent_hash: Hash,
    block_number: u64,
    /// Of the parent, the grandparent, and so on. One more than there are headers: the lowest names its parent.
    hashes: Vec<Hash>,
    /// Of the headers, in the same order.
    places: Vec<Range<usize>>,
    /// By number, where no header is: what the verifier says of its own chain.
    vouched: HashMap<u64, Hash>,
}

impl Ancestry {
    /// Checks the chain of headers below the block, and that the parent's state root is the trusted one.
    ///
    /// Where the parent may be missing, an empty list is no error. A list whose last header is not the parent always
    /// is: nothing binds it to the block.
    pub fn new(file: &WitnessFile, bound: &Bound<'_>, question: &Question, keccak: Keccak) -> Result<Self, Stop> {
        let block_number = bound.fields.number;
        let named = block_bytes::parent_hash(bound.header).map_err(|reason| refuse(format!("header: {reason}")))?;
        let parent_missing = || Stop::from(Missing::Parent { hash: named, number: block_number.saturating_sub(1) });
        if file.headers.is_empty() && !question.parent_header_optional {
            return Err(parent_missing());
        }
        let mut hashes = vec![named];
        for (distance, place) in file.headers.iter().rev().enumerate() {
            let encoded = &file.bytes()[place.clone()];
            if keccak(encoded) != hashes[distance] {
                return Err(if distance == 0 {
                    parent_missing()
                } else {
                    let index = file.headers.len() - 1 - distance;
                    refuse(format!("header {index} of the witness is not the parent of the one after it"))
                });
            }
            if distance == 0 {
                check_state_root(encoded, question.pre_state_root)?;
            }
            let below = block_bytes::parent_hash(encoded);
            hashes.push(below.map_err(|reason| refuse(format!("header of the witness: {reason}")))?);
        }
        Ok(Self {
            parent: file.headers.last().cloned(),
            places: file.headers.iter().rev().cloned().collect(),
            parent_hash: named,
            block_number,
            hashes,
            vouched: question.ancestor_hashes.clone(),
        })
    }

    /// The hash of ancestor `number`, if the chain of headers proves it or the verifier vouches for it.
    pub fn hash(&self, number: u64) -> Option<Hash> {
        let proven = self.hashes.get(self.distance(number)?);
        proven.or_else(|| self.vouched.get(&number)).copied()
    }

    /// The place of the header with this hash, if it is an ancestor's and in the witness.
    pub fn place(&self, hash: Hash) -> Option<Range<usize>> {
        let index = self.hashes.iter().position(|known| *known == hash)?;
        self.places.get(index).cloned()
    }

    /// Whether the chain of headers proves that this is an ancestor's hash.
    pub fn has(&self, hash: Hash) -> bool {
        self.hashes.contains(&hash)
    }

    fn distance(&self, number: u64) -> Option<usize> {
        usize::try_from(self.block_number.checked_sub(number)?.checked_sub(1)?).ok()
    }
}

fn check_state_root(parent: &[u8], trusted: Hash) -> Result<(), Stop> {
    let root = block_bytes::state_root(parent)
        .map_err(|reason| refuse(format!("the parent's header cannot be decoded: {reason}")))?;
    if root == trusted {
        return Ok(());
    }
    Err(refuse(format!("pre-state root {root} of the parent's header is not the trusted {trusted}")))
}
