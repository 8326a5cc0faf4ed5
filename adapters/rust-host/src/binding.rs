//! Whether file, request and block belong together, and which fork the block is of: decided before it is decoded.

use crate::block_bytes::{self, ForkFields};
use crate::chain_config::ChainConfig;
use crate::client::Question;
use crate::hash::{Hash, Keccak};
use crate::outcome::{Stop, abstain, broken, refuse};
use crate::rpc::{AbstentionReason, Rule};
use crate::witness_file::WitnessFile;

/// A block that is the one asked for, of a fork that the client has.
#[derive(Debug)]
pub struct Bound<'a> {
    pub hash: Hash,
    /// The header's RLP, which the hash is of.
    pub header: &'a [u8],
    pub fields: ForkFields,
    pub chain: ChainConfig,
    /// In the words of adapters/CONTRACT.md.
    pub fork: &'static str,
}

/// Checks hash, chain, number and fork of the block in `file`.
///
/// client: its name, for the abstention where its forks do not have the block's.
pub fn bind<'a>(
    file: &'a WitnessFile,
    question: &Question,
    keccak: Keccak,
    client: &str,
    forks: &[&str],
) -> Result<Bound<'a>, Stop> {
    let header = block_bytes::header(file.block()).map_err(|reason| refuse(format!("block: {reason}")))?;
    let hash = keccak(header);
    if file.block_hash != hash {
        return Err(refuse(format!("the block has hash {hash}, the file names {}", file.block_hash)));
    }
    if question.block_hash != hash {
        return Err(refuse(format!("the witness is of block {hash}, asked for is {}", question.block_hash)));
    }
    let json = if question.chain_config.is_empty() { file.chain_config() } else { &question.chain_config };
    let chain = ChainConfig::parse(json).map_err(refuse)?;
    let fields =
        block_bytes::fork_fields(header).map_err(|reason| broken(Rule::BlockEncoding, format!("header: {reason}")))?;
    if fields.number != file.number || chain.chain_id != file.chain_id {
        return Err(refuse(format!(
            "block {} of chain {} is in a file of block {} of chain {}",
            fields.number, chain.chain_id, file.number, file.chain_id
        )));
    }
    let unsupported =
        |name: &str| abstain(AbstentionReason::UnsupportedFork, format!("{client} does not execute {name} blocks"));
    let fork = chain.fork(&fields).map_err(|name| unsupported(&name))?;
    if !forks.contains(&fork) {
        return Err(unsupported(fork));
    }
    // On a parent that the witness shows, the number breaks a rule as any other wrong one does.
    if fields.number == 0 && file.headers.is_empty() {
        return Err(refuse("a genesis block is not executed"));
    }
    Ok(Bound { hash, header, fields, chain, fork })
}
