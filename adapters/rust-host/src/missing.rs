//! What a client asked for and the witness does not have, named by hash.

use crate::hash::Hash;
use crate::rpc;

/// One thing missing. `location` is one line: account, slot, or trie path, as far as the client knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    Node {
        hash: Hash,
        location: String,
    },
    Code {
        hash: Hash,
    },
    /// The parent's header: the block names its hash.
    Parent {
        hash: Hash,
        number: u64,
    },
    /// An ancestor that BLOCKHASH asked for; its hash is not known without the header of its child.
    Ancestor {
        number: u64,
    },
}

impl Missing {
    /// One line for the abstention's detail.
    pub fn describe(&self) -> String {
        match self {
            Self::Node { hash, location } => format!("trie node {hash} is missing ({location})"),
            Self::Code { hash } => format!("code {hash} is missing"),
            Self::Parent { hash, .. } => format!("the parent's header {hash} is missing"),
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
        let hash = hash.map(Hash::to_bytes).unwrap_or_default();
        Self { kind: kind.into(), hash, number, r#where: location, ..Self::default() }
    }
}
