//! The forks that this adapter executes.

/// In activation order. Constantinople without Petersburg is none of them: revm has no EIP-1283.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fork {
    Byzantium,
    Petersburg,
    Istanbul,
    MuirGlacier,
    Berlin,
    London,
    ArrowGlacier,
    GrayGlacier,
    Paris,
    Shanghai,
    Cancun,
    Prague,
    Osaka,
    Bpo1,
    Bpo2,
    Bpo3,
    Bpo4,
    Bpo5,
}

/// Their names in adapters/CONTRACT.md, in the same order.
pub const NAMES: [&str; 18] = [
    "byzantium",
    "petersburg",
    "istanbul",
    "muir_glacier",
    "berlin",
    "london",
    "arrow_glacier",
    "gray_glacier",
    "paris",
    "shanghai",
    "cancun",
    "prague",
    "osaka",
    "bpo1",
    "bpo2",
    "bpo3",
    "bpo4",
    "bpo5",
];

const ALL: [Fork; NAMES.len()] = [
    Fork::Byzantium,
    Fork::Petersburg,
    Fork::Istanbul,
    Fork::MuirGlacier,
    Fork::Berlin,
    Fork::London,
    Fork::ArrowGlacier,
    Fork::GrayGlacier,
    Fork::Paris,
    Fork::Shanghai,
    Fork::Cancun,
    Fork::Prague,
    Fork::Osaka,
    Fork::Bpo1,
    Fork::Bpo2,
    Fork::Bpo3,
    Fork::Bpo4,
    Fork::Bpo5,
];

impl Fork {
    pub fn from_name(name: &str) -> Option<Self> {
        NAMES.iter().position(|known| *known == name).map(|index| ALL[index])
    }

    pub fn name(self) -> &'static str {
        NAMES[self as usize]
    }

    /// The number of fields of a header (yellow paper, 4.4.3; EIP-1559, 4895, 4844 and 4788, 7685).
    pub fn header_fields(self) -> usize {
        match self {
            _ if self >= Self::Prague => 21,
            _ if self >= Self::Cancun => 20,
            _ if self >= Self::Shanghai => 17,
            _ if self >= Self::London => 16,
            _ => 15,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_forks_are_in_one_order() {
        for (index, fork) in ALL.into_iter().enumerate() {
            assert_eq!(fork as usize, index);
            assert_eq!(Fork::from_name(fork.name()), Some(fork));
        }
        assert_eq!(Fork::from_name("constantinople"), None);
        assert_eq!(Fork::from_name("spurious_dragon"), None);
    }

    #[test]
    fn headers_grow_with_the_forks() {
        let fields = [Fork::Berlin, Fork::London, Fork::Paris, Fork::Shanghai, Fork::Cancun, Fork::Prague, Fork::Bpo5];
        assert_eq!(fields.map(Fork::header_fields), [15, 16, 16, 17, 20, 21, 21]);
    }
}
