//! Integers of 256 bits as the EVM has them, without any client's type for them.

use std::fmt::{self, Debug, Display, Formatter};

use bytes::Bytes;

/// 32 bytes, big-endian: a balance in wei, a slot's key, or its value.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, std::hash::Hash)]
pub struct Word(pub [u8; 32]);

impl Word {
    pub const ZERO: Self = Self([0; 32]);

    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// Of the shortest big-endian form (zero is empty); None where it has leading zeros or more than 32 bytes.
    pub fn from_minimal(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > 32 || bytes.first() == Some(&0) {
            return None;
        }
        let mut word = [0; 32];
        word[32 - bytes.len()..].copy_from_slice(bytes);
        Some(Self(word))
    }

    /// The shortest big-endian form, as the messages of the contract carry it: zero is empty.
    pub fn to_minimal(self) -> Bytes {
        let zeros = self.0.iter().take_while(|&&byte| byte == 0).count();
        Bytes::copy_from_slice(&self.0[zeros..])
    }

    /// All 32 bytes, as the messages of the contract carry a key.
    pub fn to_bytes(self) -> Bytes {
        Bytes::copy_from_slice(&self.0)
    }
}

impl From<u64> for Word {
    fn from(value: u64) -> Self {
        let mut word = [0; 32];
        word[24..].copy_from_slice(&value.to_be_bytes());
        Self(word)
    }
}

impl Display for Word {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl Debug for Word {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_shortest_form_is_the_only_one() {
        assert_eq!(Word::from_minimal(&[]), Some(Word::ZERO));
        assert_eq!(Word::from_minimal(&[1, 0]), Some(Word::from(256)));
        assert_eq!(Word::from_minimal(&[0]), None);
        assert_eq!(Word::from_minimal(&[0, 1]), None);
        assert_eq!(Word::from_minimal(&[1; 33]), None);
        assert!(Word::ZERO.to_minimal().is_empty() && Word::ZERO.is_zero());
    }

    proptest! {
        #[test]
        fn the_shortest_form_is_read_back(zeros in 0..=32usize, bytes: [u8; 32]) {
            let mut word = Word(bytes);
            word.0[..zeros].fill(0);
            prop_assert_eq!(Word::from_minimal(&word.to_minimal()), Some(word));
        }
    }
}
