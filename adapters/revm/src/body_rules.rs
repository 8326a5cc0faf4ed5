//! The rules for a body, which alloy-evm leaves to its caller. Uncles have their own module.

use adapter_host::outcome::broken;
use adapter_host::rpc::{BrokenRule, Rule};
use alloy_consensus::Transaction as _;
use alloy_consensus::proofs::{calculate_transaction_root, calculate_withdrawals_root};
use alloy_eips::eip4844::DATA_GAS_PER_BLOB;
use alloy_primitives::B256;

use crate::block::Block;
use crate::chain::Chain;
use crate::fork::Fork;

/// EIP-7934: 10 MiB less a margin of 2 MiB for what is around the block.
const MAX_BLOCK_SIZE: usize = (10 << 20) - (2 << 20); // bytes

/// What the body amounts to; equal to what the header says once `check` has returned it.
#[derive(Clone, Copy, Debug)]
pub struct Commitment {
    pub transactions_root: B256,
    pub withdrawals_root: Option<B256>, // from Shanghai on
    pub blob_gas_used: Option<u64>,     // from Cancun on
}

/// size: of the block's encoding, bytes.
pub fn check(block: &Block, size: usize, chain: &Chain) -> Result<Commitment, BrokenRule> {
    if chain.fork >= Fork::Osaka && size > MAX_BLOCK_SIZE {
        return Err(broken(Rule::BlockSize, format!("{size} bytes, at most {MAX_BLOCK_SIZE} are allowed")));
    }
    let transactions_root = calculate_transaction_root(&block.body.transactions);
    if transactions_root != block.header.transactions_root {
        let detail = format!("header {}, body {transactions_root}", block.header.transactions_root);
        return Err(broken(Rule::TransactionsRoot, detail));
    }
    let withdrawals_root = check_withdrawals(block, chain.fork)?;
    let blob_gas_used = check_blobs(block, chain)?;
    Ok(Commitment { transactions_root, withdrawals_root, blob_gas_used })
}

fn check_withdrawals(block: &Block, fork: Fork) -> Result<Option<B256>, BrokenRule> {
    match (fork >= Fork::Shanghai, &block.body.withdrawals) {
        (false, None) => Ok(None),
        (false, Some(_)) => {
            let detail = format!("the body has withdrawals, {} has none", fork.name());
            Err(broken(Rule::WithdrawalsRoot, detail))
        }
        (true, None) => Err(broken(Rule::WithdrawalsRoot, "the body has no list of withdrawals")),
        (true, Some(withdrawals)) => {
            let root = calculate_withdrawals_root(withdrawals);
            match block.header.withdrawals_root {
                Some(named) if named == root => Ok(Some(root)),
                named => {
                    let named = named.map_or_else(|| "none".to_owned(), |named| named.to_string());
                    Err(broken(Rule::WithdrawalsRoot, format!("header {named}, body {root}")))
                }
            }
        }
    }
}

fn check_blobs(block: &Block, chain: &Chain) -> Result<Option<u64>, BrokenRule> {
    let Some(params) = &chain.blobs else { return Ok(None) };
    let blobs: u64 = block.body.transactions.iter().filter_map(|transaction| transaction.blob_count()).sum();
    let used = blobs * DATA_GAS_PER_BLOB;
    if block.header.blob_gas_used != Some(used) {
        let named = block.header.blob_gas_used.map_or_else(|| "none".to_owned(), |named| named.to_string());
        return Err(broken(Rule::BlobGasUsed, format!("the header says {named}, the body has {used}")));
    }
    let most = params.max_blob_gas_per_block();
    if used > most {
        return Err(broken(Rule::BlobGasUsed, format!("{used}, at most {most} is allowed")));
    }
    Ok(Some(used))
}
