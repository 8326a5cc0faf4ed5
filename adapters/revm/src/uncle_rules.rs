//! The rules for uncles (yellow paper, 11.1), as far as a witness allows: which uncles the ancestors already had is in
//! their bodies, and an uncle's parent may be older than the headers that are there.

use adapter_host::ancestry::Ancestry;
use adapter_host::block_bytes::ForkFields;
use adapter_host::chain_config::ChainConfig;
use adapter_host::hash::Hash;
use adapter_host::outcome::broken;
use adapter_host::rpc::{BrokenRule, Rule};
use adapter_host::witness_file::WitnessFile;
use alloy_consensus::Header;
use alloy_consensus::proofs::calculate_ommers_root;
use alloy_primitives::B256;

use crate::block::{Block, decode_header};
use crate::chain::Chain;
use crate::fork::Fork;
use crate::header_rules;

const MAX_UNCLES: usize = 2;
/// An uncle is at most so many blocks older than the block.
const MAX_GENERATIONS: u64 = 6;

/// Checks the uncles of `block`. Returns what could not be checked.
pub fn check(
    block: &Block,
    file: &WitnessFile,
    ancestry: &Ancestry,
    config: &ChainConfig,
    fork: Fork,
) -> Result<Vec<Rule>, BrokenRule> {
    let (header, uncles) = (&block.header, &block.body.ommers);
    let hash = calculate_ommers_root(uncles);
    if hash != header.ommers_hash {
        return Err(broken(Rule::UnclesHash, format!("header {}, body {hash}", header.ommers_hash)));
    }
    if uncles.is_empty() {
        return Ok(Vec::new());
    }
    let most = if fork >= Fork::Paris { 0 } else { MAX_UNCLES };
    if uncles.len() > most {
        return Err(broken(Rule::Uncles, format!("{} uncles, at most {most} are allowed", uncles.len())));
    }
    let hashes: Vec<B256> = uncles.iter().map(Header::hash_slow).collect();
    for (index, (uncle, hash)) in uncles.iter().zip(&hashes).enumerate() {
        let objection = |detail: String| broken(Rule::Uncles, format!("uncle {index}: {detail}"));
        // The bounds also keep the reward from wrapping around.
        let is_of_age = uncle.number < header.number && header.number - uncle.number <= MAX_GENERATIONS;
        if !is_of_age {
            return Err(objection(format!("number {} in block {}", uncle.number, header.number)));
        }
        if hashes[..index].contains(hash) {
            return Err(objection("is there twice".to_owned()));
        }
        if ancestry.has(Hash(hash.0)) {
            return Err(objection("is an ancestor".to_owned()));
        }
        if uncle.parent_hash == header.parent_hash {
            return Err(objection("is a sibling of the block".to_owned()));
        }
        if let Some(place) = ancestry.place(Hash(uncle.parent_hash.0)) {
            let parent = decode_header(&file.bytes()[place])
                .map_err(|error| objection(format!("its parent's header cannot be decoded: {error}")))?;
            check_header(uncle, &parent, config).map_err(|broken| objection(broken.detail))?;
        }
    }
    Ok(vec![Rule::Uncles])
}

/// An uncle is a header by the rules of its own fork, which may be the one before the block's.
fn check_header(uncle: &Header, parent: &Header, config: &ChainConfig) -> Result<(), BrokenRule> {
    let has_difficulty = !uncle.difficulty.is_zero();
    let fields = ForkFields { number: uncle.number, timestamp: uncle.timestamp, has_difficulty };
    let fork = config.fork(&fields).unwrap_or_default();
    // Before Byzantium the difficulty has another formula: such an uncle is left unchecked.
    let Ok(chain) = Chain::new(config, fork, uncle.number, uncle.timestamp) else { return Ok(()) };
    if uncle.base_fee_per_gas.is_some() != (chain.fork >= Fork::London) || uncle.withdrawals_root.is_some() {
        return Err(broken(Rule::HeaderFields, format!("its fields are not those of {fork}")));
    }
    header_rules::check(uncle, Some(parent), &chain).map(|_| ())
}
