//! The client's rules for headers and bodies, and how its errors are told as rules of the contract.
//!
//! Only the client's own checks are run. What it does not check is not checked here in its place (README.md lists it).

use adapter_host::outcome::broken;
use adapter_host::rpc::{BrokenRule, Rule};
use ethrex_common::H256;
use ethrex_common::errors::InvalidBlockError;
use ethrex_common::types::{
    Block, BlockHeader, ChainConfig, InvalidBlockBodyError, InvalidBlockHeaderError, Transaction, calc_excess_blob_gas,
    compute_transactions_root, compute_withdrawals_root, validate_block_body,
};
use ethrex_common::validate_block_pre_execution;
use ethrex_crypto::NativeCrypto;
use ethrex_vm::EvmError;

/// Gas limit by gas target (EIP-1559), the same on every Ethereum chain.
const ELASTICITY_MULTIPLIER: u64 = 2;
/// Transaction types of the client's layer-2 mode; no Ethereum block has them.
const LAYER_TWO_ONLY: &str = "not allowed in an L1 block";
/// How the client's message starts when a transaction does not fit into the block (its error type says no more).
const GAS_ALLOWANCE_EXCEEDED: &str = "Gas allowance exceeded";

/// The rules that need the parent's header; not checked where it may be absent and is.
pub const RULES_OF_PARENT: [Rule; 5] =
    [Rule::Number, Rule::Timestamp, Rule::GasLimit, Rule::BaseFee, Rule::ExcessBlobGas];

/// Why the header and body rules cannot be passed.
#[derive(Debug)]
pub enum Objection {
    Broken(BrokenRule),
    /// The chain config lacks what the rules of this fork need.
    Configuration(String),
}

/// Runs the client's checks of header and body.
pub fn check_before_execution(block: &Block, parent: &BlockHeader, config: &ChainConfig) -> Result<(), Objection> {
    check_transaction_types(block)?;
    validate_block_pre_execution(block, parent, config, ELASTICITY_MULTIPLIER)
        .map_err(|error| objection(&error, block, parent))?;
    validate_block_body(&block.header, &block.body, &NativeCrypto)
        .map_err(|error| objection(&InvalidBlockError::InvalidBody(error), block, parent))
}

/// The client's `InvalidBlockError::UnsupportedTransactionType`, which it raises in a crate that is not published.
fn check_transaction_types(block: &Block) -> Result<(), Objection> {
    let is_layer_two =
        |tx: &Transaction| matches!(tx, Transaction::PrivilegedL2Transaction(_) | Transaction::FeeTokenTransaction(_));
    match block.body.transactions.iter().position(is_layer_two) {
        Some(index) => {
            let kind = u8::from(block.body.transactions[index].tx_type());
            let detail = format!("transaction {index}: type {kind:#04x} is {LAYER_TWO_ONLY}");
            Err(Objection::Broken(broken(Rule::BlockEncoding, detail)))
        }
        None => Ok(()),
    }
}

/// A parent that keeps every rule of `RULES_OF_PARENT`, so that the client's other rules can be checked without one.
///
/// None where no such parent can be made up (an excess of blob gas near 2^64). Its hash is the one that the block names.
pub fn stand_in_parent(header: &BlockHeader, config: &ChainConfig) -> Option<BlockHeader> {
    let mut parent = BlockHeader {
        number: header.number.checked_sub(1)?,
        timestamp: header.timestamp.checked_sub(1)?,
        gas_limit: header.gas_limit,
        gas_used: header.gas_limit / ELASTICITY_MULTIPLIER, // at the target the base fee stays as it is
        base_fee_per_gas: header.base_fee_per_gas,
        blob_gas_used: Some(0),
        ..BlockHeader::default()
    };
    let _ = parent.hash.set(header.parent_hash);
    if let (Some(excess), Some(schedule)) = (header.excess_blob_gas, config.get_fork_blob_schedule(header.timestamp)) {
        let target = u64::from(schedule.target) * u64::from(ethrex_common::constants::GAS_PER_BLOB);
        // The second is for Osaka's reserve price (EIP-7918), where the target is not taken off.
        let fits = [excess.checked_add(target), Some(excess)].into_iter().flatten().find(|&parent_excess| {
            parent.excess_blob_gas = Some(parent_excess);
            calc_excess_blob_gas(&parent, schedule, config.fork(header.timestamp)) == excess
        });
        fits?;
    }
    Some(parent)
}

fn objection(error: &InvalidBlockError, block: &Block, parent: &BlockHeader) -> Objection {
    use InvalidBlockError as Block_;
    let rule = match error {
        Block_::InvalidHeader(error) => header_rule(error),
        Block_::InvalidBody(error) => match error {
            InvalidBlockBodyError::WithdrawalsRootNotMatch => Rule::WithdrawalsRoot,
            InvalidBlockBodyError::TransactionsRootNotMatch => Rule::TransactionsRoot,
            InvalidBlockBodyError::OmmersIsNotEmpty => Rule::Uncles,
        },
        Block_::ExceededMaxBlobGasPerBlock | Block_::ExceededMaxBlobNumberPerBlock | Block_::BlobGasUsedMismatch => {
            Rule::BlobGasUsed
        }
        Block_::MaximumRlpSizeExceeded(..) => Rule::BlockSize,
        Block_::InvalidTransaction(_) | Block_::InvalidTransactionChainId { .. } => Rule::Transaction,
        Block_::UnsupportedTransactionType(_) => Rule::BlockEncoding,
        Block_::InvalidBlockFork => {
            return Objection::Configuration(format!("the chain config has no blob schedule: {error}"));
        }
        // Comparisons with the header after execution, which are not asked of the client here.
        Block_::RequestsHashMismatch
        | Block_::BlockAccessListHashMismatch
        | Block_::BlockAccessListIndexOutOfBounds { .. }
        | Block_::BlockAccessListSizeExceeded { .. }
        | Block_::BlockAccessListCodeTooLarge { .. }
        | Block_::StateRootMismatch
        | Block_::ReceiptsRootMismatch
        | Block_::LogsBloomMismatch
        | Block_::GasUsedMismatch(..) => Rule::Other,
    };
    let values = values(rule, block, parent);
    Objection::Broken(broken(rule, if values.is_empty() { error.to_string() } else { format!("{error}: {values}") }))
}

fn header_rule(error: &InvalidBlockHeaderError) -> Rule {
    use InvalidBlockHeaderError as Header;
    match error {
        Header::GasUsedGreaterThanGasLimit => Rule::GasUsed,
        Header::GasLimitTooFarFromParent => Rule::GasLimit,
        Header::BaseFeePerGasIncorrect => Rule::BaseFee,
        Header::TimestampNotGreaterThanParent => Rule::Timestamp,
        Header::BlockNumberNotOneGreater => Rule::Number,
        Header::ExtraDataTooLong => Rule::ExtraData,
        Header::DifficultyNotZero => Rule::Difficulty,
        Header::NonceNotZero => Rule::Nonce,
        Header::OmmersHashNotDefault => Rule::UnclesHash,
        Header::ExcessBlobGasIncorrect => Rule::ExcessBlobGas,
        Header::ParentHashIncorrect => Rule::Other,
        Header::ExcessBlobGasNotPresent
        | Header::BlobGasUsedNotPresent
        | Header::ParentBeaconBlockRootNotPresent
        | Header::RequestsHashNotPresent
        | Header::ExcessBlobGasPresent
        | Header::BlobGasUsedPresent
        | Header::ParentBeaconBlockRootPresent
        | Header::RequestsHashPresent
        | Header::BlockAccessListHashNotPresent
        | Header::BlockAccessListHashPresent
        | Header::SlotNumberNotPresent
        | Header::SlotNumberPresent => Rule::HeaderFields,
    }
}

/// The values behind a broken rule: the client's errors carry few.
fn values(rule: Rule, block: &Block, parent: &BlockHeader) -> String {
    let header = &block.header;
    let of_both = |value: u64, parent: u64| format!("{value}, the parent's is {parent}");
    match rule {
        Rule::GasUsed => format!("gas used {}, gas limit {}", header.gas_used, header.gas_limit),
        Rule::GasLimit => of_both(header.gas_limit, parent.gas_limit),
        Rule::BaseFee => format!(
            "{} after a parent of base fee {}, gas used {}, gas limit {}",
            optional(header.base_fee_per_gas),
            optional(parent.base_fee_per_gas),
            parent.gas_used,
            parent.gas_limit
        ),
        Rule::Timestamp => of_both(header.timestamp, parent.timestamp),
        Rule::Number => of_both(header.number, parent.number),
        Rule::ExtraData => format!("{} bytes", header.extra_data.len()),
        Rule::Difficulty => header.difficulty.to_string(),
        Rule::Nonce => format!("{:#018x}", header.nonce),
        Rule::UnclesHash => format!("{:#x}", header.ommers_hash),
        Rule::ExcessBlobGas => format!(
            "{} after a parent of excess {}, used {}",
            optional(header.excess_blob_gas),
            optional(parent.excess_blob_gas),
            optional(parent.blob_gas_used)
        ),
        Rule::BlobGasUsed => {
            format!("the header says {}, the body has {}", optional(header.blob_gas_used), blob_gas(block))
        }
        Rule::TransactionsRoot => {
            let root = compute_transactions_root(&block.body.transactions, &NativeCrypto);
            format!("header {:#x}, body {root:#x}", header.transactions_root)
        }
        Rule::WithdrawalsRoot => {
            let withdrawals = block.body.withdrawals.as_deref();
            let root = withdrawals.map(|withdrawals| compute_withdrawals_root(withdrawals, &NativeCrypto));
            let shown = |root: Option<H256>| optional(root.map(|root| format!("{root:#x}")));
            format!("header {}, body {}", shown(header.withdrawals_root), shown(root))
        }
        Rule::Uncles => format!("{} uncles", block.body.ommers.len()),
        _ => String::new(),
    }
}

fn optional(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

/// The blob gas of the block's transactions (EIP-4844), gas.
pub fn blob_gas(block: &Block) -> u64 {
    let blobs: usize = block.body.transactions.iter().map(|tx| tx.blob_versioned_hashes().len()).sum();
    blobs as u64 * u64::from(ethrex_common::constants::GAS_PER_BLOB)
}

/// The rule that an error of execution tells of; None where it tells of no rule but of the client itself.
pub fn execution_rule(error: &EvmError) -> Option<Rule> {
    match error {
        EvmError::Transaction(reason) if reason.starts_with(GAS_ALLOWANCE_EXCEEDED) => Some(Rule::BlockGas),
        EvmError::Transaction(_) => Some(Rule::Transaction),
        EvmError::Header(_) => Some(Rule::HeaderFields),
        EvmError::InvalidDepositRequest => Some(Rule::DepositRequests),
        EvmError::SystemContractCallFailed(_) => Some(Rule::SystemContract),
        EvmError::DB(_) | EvmError::Custom(_) | EvmError::Precompile(_) | EvmError::InvalidEVM(_) => None,
    }
}
