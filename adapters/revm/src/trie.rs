//! A Merkle-Patricia trie of which only some nodes are known: it proves reads, takes changes, computes the new root.
//!
//! Nodes are decoded where a key's path leads to them. Whatever is asked of a node that the witness does not have fails
//! with the node's hash. Source: yellow paper, appendix D; keys are of 32 bytes, so no value stands in a branch.

use alloy_primitives::{B256, keccak256};
use alloy_rlp::Encodable;
use alloy_trie::EMPTY_ROOT_HASH;

use crate::node::{
    Kind, Node, NodeId, Reference, Slot, decode, encode_empty, encode_list, encode_path, encode_reference, nibbles,
};
use crate::node_index::{KEY_NIBBLES, NodeIndex};

/// The hash of a node that is needed, and that the witness does not have (or not as a well-formed node there).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingNode(pub B256);

/// A value, and the hash of the node that proves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proven<'a> {
    pub value: &'a [u8],
    pub node: B256,
}

#[derive(Clone, Debug)]
pub struct Trie {
    root: Slot,
    nodes: Vec<Node>,
}

/// Where a slot is.
#[derive(Clone, Copy)]
enum Place {
    Root,
    /// The child of an extension.
    Below(NodeId),
    /// A child of a branch.
    Child(NodeId, u8),
}

impl Trie {
    pub fn new(root: B256) -> Self {
        let root = if root == EMPTY_ROOT_HASH { Slot::Empty } else { Slot::Hash(root) };
        Self { root, nodes: Vec::new() }
    }

    /// The value at `key`; None where the trie proves that there is none.
    pub fn get(&mut self, index: &NodeIndex, key: &B256) -> Result<Option<Proven<'_>>, MissingNode> {
        let key = nibbles(key);
        let (mut place, mut depth, mut proving) = (Place::Root, 0, B256::ZERO);
        loop {
            let Some(id) = self.resolve(index, place, depth)? else { return Ok(None) };
            proving = self.nodes[id].hash.unwrap_or(proving);
            let rest = &key[depth..];
            match &self.nodes[id].kind {
                Kind::Leaf { path, .. } if path != rest => return Ok(None),
                Kind::Leaf { .. } => break,
                Kind::Extension { path, .. } if !rest.starts_with(path) => return Ok(None),
                Kind::Extension { path, .. } => (place, depth) = (Place::Below(id), depth + path.len()),
                Kind::Branch { .. } => (place, depth) = (Place::Child(id, rest[0]), depth + 1),
            }
        }
        Ok(match self.slot(place) {
            Slot::Node(id) => match &self.nodes[id].kind {
                Kind::Leaf { value, .. } => Some(Proven { value, node: proving }),
                _ => None,
            },
            _ => None,
        })
    }

    /// Sets the value at `key`, which is not empty.
    pub fn put(&mut self, index: &NodeIndex, key: &B256, value: Vec<u8>) -> Result<(), MissingNode> {
        let key = nibbles(key);
        let (mut place, mut depth) = (Place::Root, 0);
        loop {
            let rest = &key[depth..];
            let Some(id) = self.resolve(index, place, depth)? else {
                *self.slot_mut(place) = self.add(Kind::Leaf { path: rest.to_vec(), value });
                return Ok(());
            };
            self.nodes[id].hash = None;
            let shared = match &self.nodes[id].kind {
                Kind::Branch { .. } => {
                    (place, depth) = (Place::Child(id, rest[0]), depth + 1);
                    continue;
                }
                Kind::Leaf { path, .. } | Kind::Extension { path, .. } => shared_length(path, rest),
            };
            match &mut self.nodes[id].kind {
                Kind::Leaf { path, value: old } if shared == path.len() => {
                    *old = value;
                    return Ok(());
                }
                Kind::Extension { path, .. } if shared == path.len() => {
                    (place, depth) = (Place::Below(id), depth + shared);
                }
                _ => {
                    let split = self.split(id, shared, rest, value);
                    *self.slot_mut(place) = split;
                    return Ok(());
                }
            }
        }
    }

    /// A branch, below an extension where the paths share their start, of what node `id` leads to and of a new leaf.
    fn split(&mut self, id: NodeId, shared: usize, rest: &[u8], value: Vec<u8>) -> Slot {
        let (old_nibble, old) = match self.nodes[id].kind.clone() {
            Kind::Leaf { path, value } => {
                (path[shared], self.add(Kind::Leaf { path: path[shared + 1..].to_vec(), value }))
            }
            Kind::Extension { path, child } => match &path[shared + 1..] {
                [] => (path[shared], child),
                below => (path[shared], self.add(Kind::Extension { path: below.to_vec(), child })),
            },
            Kind::Branch { .. } => unreachable!("a branch has no path to split"),
        };
        let new = self.add(Kind::Leaf { path: rest[shared + 1..].to_vec(), value });
        let mut children = Box::new([Slot::Empty; 16]);
        children[usize::from(old_nibble)] = old;
        children[usize::from(rest[shared])] = new;
        let branch = self.add(Kind::Branch { children });
        if shared == 0 { branch } else { self.add(Kind::Extension { path: rest[..shared].to_vec(), child: branch }) }
    }

    /// Takes away the value at `key`, if there is one. Changes are best made in this order: all puts, then all
    /// removals; else a branch may seem to lose its last but one child, and asks for the sibling in vain.
    pub fn remove(&mut self, index: &NodeIndex, key: &B256) -> Result<(), MissingNode> {
        let key = nibbles(key);
        let (mut place, mut depth) = (Place::Root, 0);
        let mut way = Vec::new(); // from the root: the nodes above the leaf, each with its place and depth
        loop {
            let rest = &key[depth..];
            let Some(id) = self.resolve(index, place, depth)? else { return Ok(()) };
            way.push((id, place, depth));
            match &self.nodes[id].kind {
                Kind::Leaf { path, .. } if path != rest => return Ok(()),
                Kind::Leaf { .. } => break,
                Kind::Extension { path, .. } if !rest.starts_with(path) => return Ok(()),
                Kind::Extension { path, .. } => (place, depth) = (Place::Below(id), depth + path.len()),
                Kind::Branch { .. } => (place, depth) = (Place::Child(id, rest[0]), depth + 1),
            }
        }
        way.pop();
        *self.slot_mut(place) = Slot::Empty;
        for &(id, ..) in &way {
            self.nodes[id].hash = None;
        }
        let Some((branch, place, depth)) = way.pop() else { return Ok(()) };
        let Some(only) = self.only_child(branch) else { return Ok(()) };
        self.collapse(index, branch, only, depth)?;
        // What was a branch has a path now, and goes together with an extension above it.
        if let Place::Below(extension) = place {
            self.join(extension, branch);
        }
        Ok(())
    }

    /// The nibble of the one child that a branch has, if it has no other.
    fn only_child(&self, branch: NodeId) -> Option<u8> {
        let Kind::Branch { children } = &self.nodes[branch].kind else { return None };
        let mut present = (0u8..).zip(children.iter()).filter(|(_, child)| **child != Slot::Empty);
        let only = present.next().map(|(nibble, _)| nibble);
        if present.next().is_some() { None } else { only }
    }

    /// Makes of a branch with one child what leads to that child without a branch.
    fn collapse(&mut self, index: &NodeIndex, branch: NodeId, nibble: u8, depth: usize) -> Result<(), MissingNode> {
        let place = Place::Child(branch, nibble);
        let Some(child) = self.resolve(index, place, depth + 1)? else { return Ok(()) };
        let longer = |path: &[u8]| [&[nibble], path].concat();
        self.nodes[branch].kind = match &self.nodes[child].kind {
            Kind::Leaf { path, value } => Kind::Leaf { path: longer(path), value: value.clone() },
            Kind::Extension { path, child } => Kind::Extension { path: longer(path), child: *child },
            Kind::Branch { .. } => Kind::Extension { path: vec![nibble], child: Slot::Node(child) },
        };
        Ok(())
    }

    /// Puts the path of `extension` before that of its child, and the result in the place of `extension`.
    fn join(&mut self, extension: NodeId, child: NodeId) {
        let Kind::Extension { path: above, .. } = &self.nodes[extension].kind else { return };
        let longer = |path: &[u8]| [above, path].concat();
        self.nodes[extension].kind = match &self.nodes[child].kind {
            Kind::Leaf { path, value } => Kind::Leaf { path: longer(path), value: value.clone() },
            Kind::Extension { path, child } => Kind::Extension { path: longer(path), child: *child },
            Kind::Branch { .. } => return,
        };
    }

    pub fn root(&mut self) -> B256 {
        match self.root {
            Slot::Empty => EMPTY_ROOT_HASH,
            Slot::Hash(hash) => hash,
            Slot::Node(id) => match self.nodes[id].hash {
                Some(hash) => hash,
                None => {
                    let hash = keccak256(self.encode(id));
                    self.nodes[id].hash = Some(hash);
                    hash
                }
            },
        }
    }

    fn reference(&mut self, id: NodeId) -> Reference {
        if let Some(hash) = self.nodes[id].hash {
            return Reference::Hash(hash);
        }
        let encoded = self.encode(id);
        if encoded.len() < B256::len_bytes() {
            return Reference::Embedded(encoded);
        }
        let hash = keccak256(encoded);
        self.nodes[id].hash = Some(hash);
        Reference::Hash(hash)
    }

    fn encode(&mut self, id: NodeId) -> Vec<u8> {
        let mut payload = Vec::with_capacity(17 * 33);
        let children = match &self.nodes[id].kind {
            Kind::Leaf { path, value } => {
                encode_path(path, true, &mut payload);
                value.as_slice().encode(&mut payload);
                return encode_list(&payload);
            }
            Kind::Extension { path, child } => {
                encode_path(path, false, &mut payload);
                vec![*child]
            }
            Kind::Branch { children } => children.to_vec(),
        };
        for &child in &children {
            match child {
                Slot::Empty => encode_empty(&mut payload),
                Slot::Hash(hash) => encode_reference(&Reference::Hash(hash), &mut payload),
                Slot::Node(child) => encode_reference(&self.reference(child), &mut payload),
            }
        }
        if children.len() > 1 {
            encode_empty(&mut payload); // a branch's value
        }
        encode_list(&payload)
    }

    /// The node at a place, decoded if it was not yet; depth: nibbles of the key above it.
    fn resolve(&mut self, index: &NodeIndex, place: Place, depth: usize) -> Result<Option<NodeId>, MissingNode> {
        match self.slot(place) {
            Slot::Empty => Ok(None),
            Slot::Node(id) => Ok(Some(id)),
            Slot::Hash(hash) => {
                let encoded = index.get(hash, KEY_NIBBLES - depth).ok_or(MissingNode(hash))?;
                let id = decode(encoded, Some(hash), &mut self.nodes).map_err(|_| MissingNode(hash))?;
                *self.slot_mut(place) = Slot::Node(id);
                Ok(Some(id))
            }
        }
    }

    fn add(&mut self, kind: Kind) -> Slot {
        self.nodes.push(Node { kind, hash: None });
        Slot::Node(self.nodes.len() - 1)
    }

    fn slot(&self, place: Place) -> Slot {
        match place {
            Place::Root => self.root,
            Place::Below(id) => match &self.nodes[id].kind {
                Kind::Extension { child, .. } => *child,
                _ => unreachable!("only an extension has a node below it"),
            },
            Place::Child(id, nibble) => match &self.nodes[id].kind {
                Kind::Branch { children } => children[usize::from(nibble)],
                _ => unreachable!("only a branch has children"),
            },
        }
    }

    fn slot_mut(&mut self, place: Place) -> &mut Slot {
        match place {
            Place::Root => &mut self.root,
            Place::Below(id) => match &mut self.nodes[id].kind {
                Kind::Extension { child, .. } => child,
                _ => unreachable!("only an extension has a node below it"),
            },
            Place::Child(id, nibble) => match &mut self.nodes[id].kind {
                Kind::Branch { children } => &mut children[usize::from(nibble)],
                _ => unreachable!("only a branch has children"),
            },
        }
    }
}

fn shared_length(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left == right).count()
}
