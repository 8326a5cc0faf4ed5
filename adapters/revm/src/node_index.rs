//! The witness's trie nodes, found by their own keccak-256.

use std::ops::Range;
use std::sync::Arc;

use adapter_host::node_form;
use adapter_host::witness_file::WitnessFile;
use alloy_primitives::map::B256Map;
use alloy_primitives::{B256, keccak256};

pub use adapter_host::node_form::KEY_NIBBLES;

const MIN_HASHED_LENGTH: usize = 32; // bytes; shorter nodes are embedded in their parent, but for a root

/// Every node is hashed once, and none is copied.
#[derive(Clone)]
pub struct NodeIndex {
    file: Arc<WitnessFile>,
    places: B256Map<Range<usize>>,
}

impl NodeIndex {
    pub fn new(file: Arc<WitnessFile>) -> Self {
        let bytes = file.bytes();
        let places = file.nodes.iter().map(|place| (keccak256(&bytes[place.clone()]), place.clone())).collect();
        Self { file, places }
    }

    pub fn contains(&self, hash: B256) -> bool {
        self.places.contains_key(&hash)
    }

    /// The encoding of a node that has `remaining` nibbles of the key below it; None where the witness does not have
    /// the node, or where it is not well-formed there.
    pub fn get(&self, hash: B256, remaining: usize) -> Option<&[u8]> {
        let encoded = &self.file.bytes()[self.places.get(&hash)?.clone()];
        let is_root = remaining == KEY_NIBBLES;
        let is_of_length = is_root || encoded.len() >= MIN_HASHED_LENGTH;
        (is_of_length && node_form::check(encoded, remaining).is_ok()).then_some(encoded)
    }
}
