//! Hashes of 32 bytes, without any client's type for them.

use std::fmt::{self, Debug, Display, Formatter};

use bytes::Bytes;

/// The client's own keccak-256. Every lineage hashes with what it brings along.
pub type Keccak = fn(&[u8]) -> Hash;

#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, std::hash::Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// None where it is not 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// As the messages of the contract carry it.
    pub fn to_bytes(self) -> Bytes {
        Bytes::copy_from_slice(&self.0)
    }
}

impl Display for Hash {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl Debug for Hash {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_shown_in_hex_and_made_of_32_bytes() {
        let hash = Hash::from_slice(&[0xab; 32]).unwrap();
        assert_eq!(hash.to_string(), format!("0x{}", "ab".repeat(32)));
        assert_eq!(hash.to_bytes(), vec![0xab; 32]);
        assert_eq!(Hash::from_slice(&[0; 31]), None);
    }
}
