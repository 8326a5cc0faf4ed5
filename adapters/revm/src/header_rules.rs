//! The rules for a header, which alloy-evm leaves to its caller: written from the specification, none of them its code.

use adapter_host::outcome::broken;
use adapter_host::rpc::{BrokenRule, Rule};
use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header};
use alloy_eips::eip4844::DATA_GAS_PER_BLOB;
use alloy_eips::eip7840::BlobParams;

use crate::chain::Chain;
use crate::difficulty;
use crate::fork::Fork;

const MIN_GAS_LIMIT: u64 = 5000; // yellow paper, 4.4.4
const MAX_GAS_LIMIT: u64 = (1 << 63) - 1; // EIP-1985
/// The gas limit changes by less than this part of the parent's.
const GAS_LIMIT_BOUND_DIVISOR: u64 = 1024;
const MAX_EXTRA_DATA: usize = 32; // bytes
const INITIAL_BASE_FEE: u64 = 1_000_000_000; // wei; EIP-1559
/// Gas limit by gas target (EIP-1559).
const ELASTICITY_MULTIPLIER: u64 = 2;
const BASE_FEE_CHANGE_DENOMINATOR: u128 = 8;

/// Checks the header's rules, those that need the parent only where it is there. Returns what could not be checked.
pub fn check(header: &Header, parent: Option<&Header>, chain: &Chain) -> Result<Vec<Rule>, BrokenRule> {
    check_limits(header)?;
    check_seal(header, chain)?;
    let Some(parent) = parent else { return Ok(rules_of_parent(chain)) };
    check_against_parent(header, parent, chain)?;
    // EIP-3675: whether the chain had reached its terminal total difficulty is not to be seen from headers.
    let is_first_after_merge = chain.fork == Fork::Paris && !parent.difficulty.is_zero();
    Ok(if is_first_after_merge && !chain.is_merged_from_genesis { vec![Rule::Difficulty] } else { Vec::new() })
}

fn rules_of_parent(chain: &Chain) -> Vec<Rule> {
    let mut rules = vec![Rule::Number, Rule::Timestamp, Rule::GasLimit];
    if chain.fork >= Fork::London {
        rules.push(Rule::BaseFee);
    }
    if chain.fork < Fork::Paris {
        rules.push(Rule::Difficulty);
    }
    if chain.fork >= Fork::Cancun {
        rules.push(Rule::ExcessBlobGas);
    }
    rules
}

fn check_limits(header: &Header) -> Result<(), BrokenRule> {
    let Header { gas_limit, gas_used, .. } = *header;
    if !(MIN_GAS_LIMIT..=MAX_GAS_LIMIT).contains(&gas_limit) {
        return Err(broken(Rule::GasLimit, format!("{gas_limit}, must be from {MIN_GAS_LIMIT} to {MAX_GAS_LIMIT}")));
    }
    if gas_used > gas_limit {
        return Err(broken(Rule::GasUsed, format!("gas used {gas_used}, gas limit {gas_limit}")));
    }
    let extra_data = header.extra_data.len();
    if extra_data > MAX_EXTRA_DATA {
        return Err(broken(Rule::ExtraData, format!("{extra_data} bytes, at most {MAX_EXTRA_DATA} are allowed")));
    }
    Ok(())
}

/// From Paris on, constants stand where the proof of work was (EIP-3675).
fn check_seal(header: &Header, chain: &Chain) -> Result<(), BrokenRule> {
    if chain.fork < Fork::Paris {
        return Ok(());
    }
    if !header.difficulty.is_zero() {
        return Err(broken(Rule::Difficulty, format!("{}, must be 0", header.difficulty)));
    }
    if !header.nonce.is_zero() {
        return Err(broken(Rule::Nonce, format!("{}, must be 0", header.nonce)));
    }
    if header.ommers_hash != EMPTY_OMMER_ROOT_HASH {
        let detail = format!("{}, must be {EMPTY_OMMER_ROOT_HASH}, of no uncles", header.ommers_hash);
        return Err(broken(Rule::UnclesHash, detail));
    }
    Ok(())
}

/// Also of an uncle against its own parent.
pub fn check_against_parent(header: &Header, parent: &Header, chain: &Chain) -> Result<(), BrokenRule> {
    if parent.number.checked_add(1) != Some(header.number) {
        return Err(broken(Rule::Number, of_both(header.number, parent.number)));
    }
    if header.timestamp <= parent.timestamp {
        return Err(broken(Rule::Timestamp, of_both(header.timestamp, parent.timestamp)));
    }
    check_gas_limit(header, parent, chain)?;
    if chain.fork >= Fork::London {
        check_base_fee(header, parent)?;
    }
    if chain.fork < Fork::Paris {
        check_difficulty(header, parent, chain)?;
    }
    match &chain.blobs {
        Some(params) => check_excess_blob_gas(header, parent, params),
        None => Ok(()),
    }
}

fn check_gas_limit(header: &Header, parent: &Header, chain: &Chain) -> Result<(), BrokenRule> {
    // London doubles the limit, so that the gas target is what the limit was (EIP-1559).
    let is_first_of_london = chain.fork >= Fork::London && parent.base_fee_per_gas.is_none();
    let before = parent.gas_limit.saturating_mul(if is_first_of_london { ELASTICITY_MULTIPLIER } else { 1 });
    if header.gas_limit.abs_diff(before) >= before / GAS_LIMIT_BOUND_DIVISOR {
        return Err(broken(Rule::GasLimit, of_both(header.gas_limit, parent.gas_limit)));
    }
    Ok(())
}

fn check_base_fee(header: &Header, parent: &Header) -> Result<(), BrokenRule> {
    let expected = base_fee_after(parent);
    if header.base_fee_per_gas == Some(expected) {
        return Ok(());
    }
    let detail = format!(
        "{} instead of {expected} after a parent of base fee {}, gas used {}, gas limit {}",
        optional(header.base_fee_per_gas),
        optional(parent.base_fee_per_gas),
        parent.gas_used,
        parent.gas_limit
    );
    Err(broken(Rule::BaseFee, detail))
}

/// The base fee of the block after `parent`, wei (EIP-1559).
fn base_fee_after(parent: &Header) -> u64 {
    let Some(base_fee) = parent.base_fee_per_gas else { return INITIAL_BASE_FEE };
    let target = (parent.gas_limit / ELASTICITY_MULTIPLIER).max(1);
    let change = |gas: u64| {
        let change = u128::from(base_fee) * u128::from(gas) / u128::from(target) / BASE_FEE_CHANGE_DENOMINATOR;
        u64::try_from(change).unwrap_or(u64::MAX)
    };
    match parent.gas_used.checked_sub(target) {
        Some(0) => base_fee,
        Some(above) => base_fee.saturating_add(change(above).max(1)),
        None => base_fee.saturating_sub(change(target - parent.gas_used)),
    }
}

fn check_difficulty(header: &Header, parent: &Header, chain: &Chain) -> Result<(), BrokenRule> {
    let expected = difficulty::after(parent, header.number, header.timestamp, chain);
    if header.difficulty == expected {
        return Ok(());
    }
    let detail = format!(
        "{} instead of {expected}, {} s after a parent of {}",
        header.difficulty,
        header.timestamp - parent.timestamp,
        parent.difficulty
    );
    Err(broken(Rule::Difficulty, detail))
}

fn check_excess_blob_gas(header: &Header, parent: &Header, params: &BlobParams) -> Result<(), BrokenRule> {
    let expected = excess_blob_gas_after(parent, params);
    if header.excess_blob_gas.map(u128::from) == Some(expected) {
        return Ok(());
    }
    let detail = format!(
        "{} instead of {expected} after a parent of excess {}, used {}",
        optional(header.excess_blob_gas),
        optional(parent.excess_blob_gas),
        optional(parent.blob_gas_used)
    );
    Err(broken(Rule::ExcessBlobGas, detail))
}

/// The excess of blob gas of the block after `parent` (EIP-4844; EIP-7918 from Osaka on).
fn excess_blob_gas_after(parent: &Header, params: &BlobParams) -> u128 {
    let [excess, used] = [parent.excess_blob_gas, parent.blob_gas_used].map(|gas| u128::from(gas.unwrap_or(0)));
    let [target, most] = [params.target_blob_count, params.max_blob_count].map(u128::from);
    let Some(above_target) = (excess + used).checked_sub(target * u128::from(DATA_GAS_PER_BLOB)) else { return 0 };
    // Where execution gas is so dear that blobs go for less than the reserve price, the target is not taken off.
    let reserve_price = u128::from(params.blob_base_cost) * u128::from(parent.base_fee_per_gas.unwrap_or(0));
    let blob_price = params.calc_blob_fee(parent.excess_blob_gas.unwrap_or(0));
    if reserve_price > blob_price.saturating_mul(u128::from(DATA_GAS_PER_BLOB)) {
        return excess + used * (most - target) / most;
    }
    above_target
}

fn of_both(value: u64, parent: u64) -> String {
    format!("{value}, the parent's is {parent}")
}

fn optional(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_eips::eip1559::BaseFeeParams;
    use proptest::prelude::*;

    fn parent(gas_limit: u64, gas_used: u64, base_fee: Option<u64>) -> Header {
        Header { gas_limit, gas_used, base_fee_per_gas: base_fee, ..Header::default() }
    }

    #[test]
    fn the_base_fee_follows_the_examples_of_its_eip() {
        let after = |used| base_fee_after(&parent(20_000_000, used, Some(1_000_000_000)));
        assert_eq!(
            [after(10_000_000), after(9_000_000), after(10_000_001)],
            [1_000_000_000, 987_500_000, 1_000_000_012]
        );
        assert_eq!(base_fee_after(&parent(20_000_000, 10_000_001, Some(1))), 2);
        assert_eq!(base_fee_after(&parent(5000, 5000, None)), INITIAL_BASE_FEE);
    }

    proptest! {
        // Against the formulas of alloy-eips, which the adapter does not use.
        #[test]
        fn the_base_fee_is_alloys(limit in 5000u64..1 << 40, part in 0u64..=100, fee in 0u64..1 << 50) {
            let parent = parent(limit, (u128::from(limit) * u128::from(part) / 100) as u64, Some(fee));
            prop_assert_eq!(Some(base_fee_after(&parent)), parent.next_block_base_fee(BaseFeeParams::ethereum()));
        }

        #[test]
        fn the_excess_of_blob_gas_is_alloys(excess in 0u64..1 << 30, blobs in 0u64..9, fee in 0u64..1 << 40) {
            let parent = Header {
                excess_blob_gas: Some(excess),
                blob_gas_used: Some(blobs * DATA_GAS_PER_BLOB),
                base_fee_per_gas: Some(fee),
                ..Header::default()
            };
            for params in [BlobParams::cancun(), BlobParams::prague(), BlobParams::osaka(), BlobParams::bpo2()] {
                let expected = parent.next_block_excess_blob_gas(params).map(u128::from);
                prop_assert_eq!(Some(excess_blob_gas_after(&parent, &params)), expected);
            }
        }
    }

    #[test]
    fn an_excess_near_64_bits_does_not_overflow() {
        let parent = Header { excess_blob_gas: Some(u64::MAX), blob_gas_used: Some(u64::MAX), ..Header::default() };
        for params in [BlobParams::cancun(), BlobParams::osaka()] {
            assert!(excess_blob_gas_after(&parent, &params) > u128::from(u64::MAX));
        }
    }
}
