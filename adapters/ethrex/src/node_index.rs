//! The witness's trie nodes, found by their own keccak-256, and put together to the client's tries.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use adapter_host::node_form::{self, KEY_NIBBLES};
use adapter_host::witness_file::WitnessFile;
use ethrex_common::H256;
use ethrex_crypto::keccak::keccak_hash;
use ethrex_rlp::decode::RLPDecode;
use ethrex_trie::{EMPTY_TRIE_HASH, Node, NodeHash, NodeRef, OnceLock, Trie};

const MIN_HASHED_LENGTH: usize = 32; // bytes; shorter nodes are embedded in their parent, but for a root

/// Nodes are decoded only where a trie that is used reaches them.
pub struct NodeIndex {
    file: Arc<WitnessFile>,
    places: HashMap<H256, Range<usize>>,
    /// Subtries put together so far, by root and by the key nibbles below it. A node that stands in several places is
    /// shared: the size of a trie is bounded by the witness, however often its nodes refer to each other.
    tries: HashMap<(H256, usize), NodeRef>,
}

impl NodeIndex {
    pub fn new(file: Arc<WitnessFile>) -> Self {
        let bytes = file.bytes();
        let places = file.nodes.iter().map(|place| (H256(keccak_hash(&bytes[place.clone()])), place.clone())).collect();
        Self { file, places, tries: HashMap::new() }
    }

    pub fn contains(&self, hash: H256) -> bool {
        self.places.contains_key(&hash)
    }

    /// The trie with this root; None where the root's node is not there or not well-formed.
    ///
    /// Nodes below that are missing or not well-formed stay references by hash, which the client reports when it needs
    /// them.
    pub fn trie(&mut self, root: H256) -> Option<Trie> {
        if root == EMPTY_TRIE_HASH {
            return Some(Trie::new_temp());
        }
        self.subtrie(root, KEY_NIBBLES, 0).map(Trie::new_temp_with_root)
    }

    /// Gives up the shared subtries, so that the client can change its tries in place.
    pub fn forget_tries(&mut self) {
        self.tries = HashMap::new();
    }

    fn subtrie(&mut self, hash: H256, remaining: usize, min_length: usize) -> Option<NodeRef> {
        if let Some(reference) = self.tries.get(&(hash, remaining)) {
            return Some(reference.clone());
        }
        let encoded = &self.file.bytes()[self.places.get(&hash)?.clone()];
        if encoded.len() < min_length || node_form::check(encoded, remaining).is_err() {
            return None;
        }
        let mut node = Node::decode(encoded).ok()?;
        match &mut node {
            Node::Branch(branch) => {
                for child in &mut branch.choices {
                    self.embed(child, remaining - 1);
                }
            }
            Node::Extension(extension) => {
                let below = remaining - extension.prefix.len();
                self.embed(&mut extension.child, below);
            }
            Node::Leaf(_) => {}
        }
        // The hash is of the very bytes that were decoded, so the client need not compute it again.
        let reference = NodeRef::Node(Arc::new(node), OnceLock::from(NodeHash::Hashed(hash)));
        self.tries.insert((hash, remaining), reference.clone());
        Some(reference)
    }

    /// Puts the child's node in the place of its hash, where the witness has it.
    fn embed(&mut self, child: &mut NodeRef, remaining: usize) {
        if let NodeRef::Hash(NodeHash::Hashed(hash)) = *child
            && let Some(reference) = self.subtrie(hash, remaining, MIN_HASHED_LENGTH)
        {
            *child = reference;
        }
    }
}
