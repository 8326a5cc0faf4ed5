//! The difficulty of a block of proof of work (yellow paper, 4.3.4; EIP-100, and the delays of the difficulty bomb).

use alloy_consensus::Header;
use alloy_primitives::U256;

use crate::chain::Chain;
use crate::fork::Fork;

const MINIMUM: u64 = 131_072;
const ADJUSTMENT_DIVISOR: u64 = 2048;
/// A block's difficulty falls by at most so many adjustments.
const MAX_FALL: u64 = 99;
/// Seconds that change the difficulty by one adjustment.
const ADJUSTMENT_SECONDS: u64 = 9;
const BOMB_PERIOD: u64 = 100_000; // blocks that double the bomb

/// The difficulty after `parent`, at the block's number and timestamp (seconds, later than the parent's).
pub fn after(parent: &Header, number: u64, timestamp: u64, chain: &Chain) -> U256 {
    let adjustment = parent.difficulty / U256::from(ADJUSTMENT_DIVISOR);
    let base = if parent.ommers_hash_is_empty() { 1 } else { 2 };
    let steps = timestamp.saturating_sub(parent.timestamp) / ADJUSTMENT_SECONDS;
    let adjusted = if steps <= base {
        parent.difficulty.saturating_add(adjustment.saturating_mul(U256::from(base - steps)))
    } else {
        let fall = (steps - base).min(MAX_FALL);
        parent.difficulty.saturating_sub(adjustment.saturating_mul(U256::from(fall)))
    };
    adjusted.max(U256::from(MINIMUM)).saturating_add(bomb(number, chain))
}

fn bomb(number: u64, chain: &Chain) -> U256 {
    let periods = number.saturating_sub(bomb_delay(chain)) / BOMB_PERIOD;
    match periods {
        0 | 1 => U256::ZERO,
        _ => U256::ONE.checked_shl(usize::try_from(periods - 2).unwrap_or(usize::MAX)).unwrap_or(U256::MAX),
    }
}

/// Blocks by which the bomb is late.
fn bomb_delay(chain: &Chain) -> u64 {
    match chain.fork {
        fork if fork >= Fork::GrayGlacier => 11_400_000, // EIP-5133
        Fork::ArrowGlacier => 10_700_000,                // EIP-4345
        Fork::London => 9_700_000,                       // EIP-3554
        Fork::MuirGlacier => 9_000_000,                  // EIP-2384
        Fork::Berlin if chain.has_muir_glacier => 9_000_000,
        fork if fork >= Fork::Petersburg => 5_000_000, // EIP-1234
        _ => 3_000_000,                                // EIP-649
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use adapter_host::chain_config::ChainConfig;
    use alloy_consensus::EMPTY_OMMER_ROOT_HASH;

    fn chain(fork: &str) -> Chain {
        let config = ChainConfig::parse(br#"{"chainId":1,"muirGlacierBlock":9200000}"#).unwrap();
        Chain::new(&config, fork, 13_000_000, 0).unwrap()
    }

    fn parent(difficulty: u64, timestamp: u64, has_uncles: bool) -> Header {
        let ommers_hash = if has_uncles { Default::default() } else { EMPTY_OMMER_ROOT_HASH };
        Header { difficulty: U256::from(difficulty), timestamp, ommers_hash, ..Header::default() }
    }

    #[test]
    fn rises_and_falls_with_the_time_since_the_parent() {
        let after = |seconds, has_uncles| {
            let parent = parent(2_048_000, 100, has_uncles);
            after(&parent, 3_100_000, 100 + seconds, &chain("byzantium")).to::<u64>()
        };
        assert_eq!([after(1, false), after(9, false), after(18, false)], [2_049_000, 2_048_000, 2_047_000]);
        assert_eq!([after(1, true), after(9, true), after(27, true)], [2_050_000, 2_049_000, 2_047_000]);
        assert_eq!(after(u64::MAX - 100, false), 2_048_000 - 99_000);
    }

    #[test]
    fn has_a_minimum_and_a_bomb_that_each_fork_delays() {
        let at = |number, fork| after(&parent(1, 0, false), number, 1, &chain(fork)).to::<u64>();
        assert_eq!(at(3_199_999, "byzantium"), MINIMUM);
        assert_eq!(at(3_200_000, "byzantium"), MINIMUM + 1);
        assert_eq!(at(4_370_000, "byzantium"), MINIMUM + (1 << 11));
        for (fork, delay) in [
            ("petersburg", 5_000_000),
            ("istanbul", 5_000_000),
            ("muir_glacier", 9_000_000),
            ("berlin", 9_000_000),
            ("london", 9_700_000),
            ("arrow_glacier", 10_700_000),
            ("gray_glacier", 11_400_000),
        ] {
            assert_eq!(at(delay + 500_000, fork), MINIMUM + (1 << 3), "{fork}");
        }
    }

    #[test]
    fn a_bomb_beyond_256_bits_does_not_overflow() {
        assert_eq!(after(&parent(1, 0, false), u64::MAX, 1, &chain("byzantium")), U256::MAX);
    }
}
