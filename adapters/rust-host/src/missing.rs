//! What a client asked for and the witness does not have, named by hash (in prestate mode, by address and key).

use crate::address::Address;
use crate::hash::Hash;
use crate::rpc;
use crate::word::Word;

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
    /// In prestate mode: an account that the section does not list.
    Account {
        address: Address,
    },
    /// In prestate mode: a slot that it does not list, of an account that it does.
    Slot {
        address: Address,
        key: Word,
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
            Self::Account { address } => format!("account {address} is not in the prestate"),
            Self::Slot { address, key } => format!("slot {key} of account {address} is not in the prestate"),
        }
    }
}

impl From<Missing> for rpc::Missing {
    fn from(missing: Missing) -> Self {
        use rpc::missing::Kind;
        let of = |kind: Kind| Self { kind: kind.into(), ..Self::default() };
        match missing {
            Missing::Node { hash, location } => Self { hash: hash.to_bytes(), r#where: location, ..of(Kind::Node) },
            Missing::Code { hash } => Self { hash: hash.to_bytes(), ..of(Kind::Code) },
            Missing::Parent { hash, number } => {
                Self { hash: hash.to_bytes(), number, r#where: "parent".to_owned(), ..of(Kind::Header) }
            }
            Missing::Ancestor { number } => Self { number, r#where: "BLOCKHASH".to_owned(), ..of(Kind::Header) },
            Missing::Account { address } => Self { address: address.to_bytes(), ..of(Kind::Account) },
            Missing::Slot { address, key } => {
                Self { address: address.to_bytes(), key: key.to_bytes(), ..of(Kind::Slot) }
            }
        }
    }
}
