//! Addresses of 20 bytes, without any client's type for them.

use std::fmt::{self, Debug, Display, Formatter};

use bytes::Bytes;

#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, std::hash::Hash)]
pub struct Address(pub [u8; 20]);

impl Address {
    /// None where it is not 20 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// As the messages of the contract carry it.
    pub fn to_bytes(self) -> Bytes {
        Bytes::copy_from_slice(&self.0)
    }
}

impl Display for Address {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl Debug for Address {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_shown_in_hex_and_made_of_20_bytes() {
        let address = Address::from_slice(&[0xab; 20]).unwrap();
        assert_eq!(address.to_string(), format!("0x{}", "ab".repeat(20)));
        assert_eq!(address.to_bytes(), vec![0xab; 20]);
        assert_eq!(Address::from_slice(&[0; 32]), None);
    }
}
