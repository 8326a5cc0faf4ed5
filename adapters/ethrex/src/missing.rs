//! What the client asked for and the witness does not have, named by hash.

use ethrex_common::H256;
use ethrex_trie::{InconsistentTreeError, TrieError};

use crate::rpc;

/// One thing missing. `location` is one line: account, slot, or trie path, as far as the client knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    Node {
        hash: H256,
        location: String,
    },
    Code {
        hash: H256,
    },
    /// The parent's header: the block names its hash.
    Parent {
        hash: H256,
        number: u64,
    },
    /// An ancestor that BLOCKHASH asked for; its hash is not known without the header of its child.
    Ancestor {
        number: u64,
    },
}

impl Missing {
    /// The node that a trie operation did not find; None for errors of another kind.
    pub fn from_trie_error(error: &TrieError, location: impl Into<String>) -> Option<Self> {
        let TrieError::InconsistentTree(error) = error else { return None };
        let hash = match error.as_ref() {
            InconsistentTreeError::NodeNotFoundOnBranchNode(hash, ..) | InconsistentTreeError::RootNotFound(hash) => {
                *hash
            }
            InconsistentTreeError::ExtensionNodeChildNotFound(data)
            | InconsistentTreeError::ExtensionNodeChildDiffers(data) => data.node_hash,
            InconsistentTreeError::RootNotFoundNoHash => return None,
        };
        Some(Self::Node { hash, location: location.into() })
    }

    /// One line for the abstention's detail.
    pub fn describe(&self) -> String {
        match self {
            Self::Node { hash, location } => format!("trie node {hash:#x} is missing ({location})"),
            Self::Code { hash } => format!("code {hash:#x} is missing"),
            Self::Parent { hash, .. } => format!("the parent's header {hash:#x} is missing"),
            Self::Ancestor { number } => format!("the header of ancestor {number}, asked for by BLOCKHASH, is missing"),
        }
    }
}

impl From<Missing> for rpc::Missing {
    fn from(missing: Missing) -> Self {
        use rpc::missing::Kind;
        let (kind, hash, number, location) = match missing {
            Missing::Node { hash, location } => (Kind::Node, Some(hash), 0, location),
            Missing::Code { hash } => (Kind::Code, Some(hash), 0, String::new()),
            Missing::Parent { hash, number } => (Kind::Header, Some(hash), number, "parent".to_owned()),
            Missing::Ancestor { number } => (Kind::Header, None, number, "BLOCKHASH".to_owned()),
        };
        Self {
            kind: kind.into(),
            hash: hash.map_or_else(Default::default, |hash| bytes::Bytes::copy_from_slice(hash.as_bytes())),
            number,
            r#where: location,
        }
    }
}
