//! Nodes of a Merkle-Patricia trie, out of their encoding and back. Source: yellow paper, appendix D.

use adapter_host::rlp::{self, Item, Malformed};
use alloy_primitives::B256;
use alloy_rlp::{BufMut, EMPTY_STRING_CODE, Encodable, Header};

/// Number of a node in the list of a trie's nodes.
pub type NodeId = usize;

/// What stands where a node may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    Empty,
    /// A node of the witness, not decoded yet.
    Hash(B256),
    Node(NodeId),
}

#[derive(Clone, Debug)]
pub enum Kind {
    Leaf { path: Vec<u8>, value: Vec<u8> },
    Extension { path: Vec<u8>, child: Slot },
    Branch { children: Box<[Slot; 16]> },
}

/// A decoded node. Paths are nibbles, one a byte.
#[derive(Clone, Debug)]
pub struct Node {
    pub kind: Kind,
    /// As long as the node is unchanged, or known again. None also where it is embedded in its parent.
    pub hash: Option<B256>,
}

/// Decodes a well-formed node into `nodes`, those embedded in it before it.
pub fn decode(encoded: &[u8], hash: Option<B256>, nodes: &mut Vec<Node>) -> Result<NodeId, Malformed> {
    let mut items = rlp::list(encoded)?;
    let mut next = || items.next().unwrap_or(Err("items are missing"));
    let (first, second) = (next()?, next()?);
    let kind = match items.next() {
        None => decode_short(first, second, nodes)?,
        Some(third) => {
            let mut children = Box::new([Slot::Empty; 16]);
            let rest = items.by_ref().take(14);
            for (child, item) in children.iter_mut().zip([Ok(first), Ok(second), third].into_iter().chain(rest)) {
                *child = decode_child(item?, nodes)?;
            }
            Kind::Branch { children }
        }
    };
    nodes.push(Node { kind, hash });
    Ok(nodes.len() - 1)
}

fn decode_short(path: Item<'_>, second: Item<'_>, nodes: &mut Vec<Node>) -> Result<Kind, Malformed> {
    let (&first, rest) = path.payload.split_first().ok_or("an empty path")?;
    let (flag, low_nibble) = (first >> 4, first & 0x0f);
    let mut nibbles = Vec::with_capacity(2 * path.payload.len());
    if flag & 1 == 1 {
        nibbles.push(low_nibble);
    }
    nibbles.extend(rest.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]));
    Ok(if flag & 2 == 2 {
        Kind::Leaf { path: nibbles, value: second.payload.to_vec() }
    } else {
        Kind::Extension { path: nibbles, child: decode_child(second, nodes)? }
    })
}

fn decode_child(item: Item<'_>, nodes: &mut Vec<Node>) -> Result<Slot, Malformed> {
    if item.is_list {
        return decode(item.encoded, None, nodes).map(Slot::Node);
    }
    match item.payload {
        [] => Ok(Slot::Empty),
        payload => payload.try_into().map(Slot::Hash).map_err(|_| "a child reference is not 32 bytes"),
    }
}

/// The nibbles of a key, from the highest.
pub fn nibbles(key: &B256) -> [u8; 64] {
    let mut nibbles = [0; 64];
    for (pair, byte) in nibbles.chunks_exact_mut(2).zip(key) {
        pair.copy_from_slice(&[byte >> 4, byte & 0x0f]);
    }
    nibbles
}

/// RLP of the list whose items are encoded in `payload`.
pub fn encode_list(payload: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(payload.len() + 4);
    Header { list: true, payload_length: payload.len() }.encode(&mut encoded);
    encoded.extend_from_slice(payload);
    encoded
}

/// Appends the hex-prefix encoding of a path.
pub fn encode_path(path: &[u8], is_leaf: bool, out: &mut Vec<u8>) {
    let flag = if is_leaf { 0x20 } else { 0 };
    let mut compact = Vec::with_capacity(path.len() / 2 + 1);
    let pairs = if path.len() % 2 == 1 {
        compact.push(flag | 0x10 | path[0]);
        &path[1..]
    } else {
        compact.push(flag);
        path
    };
    compact.extend(pairs.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]));
    compact.as_slice().encode(out);
}

/// Appends a reference to a node: its hash, or itself where it is shorter.
pub fn encode_reference(reference: &Reference, out: &mut Vec<u8>) {
    match reference {
        Reference::Hash(hash) => hash.encode(out),
        Reference::Embedded(encoded) => out.put_slice(encoded),
    }
}

/// Appends that there is no node.
pub fn encode_empty(out: &mut Vec<u8>) {
    out.push(EMPTY_STRING_CODE);
}

/// How a node stands in its parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    Hash(B256),
    Embedded(Vec<u8>),
}
