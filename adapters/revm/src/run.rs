//! The block through revm: alloy-evm's executor, transaction by transaction, on the witness's state.

use std::thread;

use adapter_host::outcome::{Stop, abstain, broken};
use adapter_host::rpc::{AbstentionReason, Rule};
use alloy_consensus::ReceiptEnvelope;
use alloy_consensus::transaction::{Recovered, SignerRecoverable};
use alloy_evm::block::{BlockExecutionError, BlockExecutionResult, BlockExecutor, BlockValidationError as Invalid};
use alloy_evm::eth::{EthBlockExecutionCtx, EthBlockExecutor};
use alloy_evm::{EthEvmFactory, EvmEnv, EvmFactory};
use alloy_primitives::Address;
use revm::database::states::bundle_state::BundleRetention;
use revm::database::{BundleState, State};

use crate::block::{Block, Transaction};
use crate::chain::Chain;
use crate::receipts::Receipts;
use crate::witness_database::{Failure, WitnessDatabase};

pub type Executed = BlockExecutionResult<ReceiptEnvelope>;

/// What executing came to an end with: an error of revm's, and the transaction that was executed, if one was.
#[derive(Debug)]
pub struct Ended {
    error: BlockExecutionError,
    transaction: Option<usize>,
}

/// What a block is executed on.
pub struct Opened {
    pub state: State<WitnessDatabase>,
    /// Of the transactions; Err with the index of the first one whose signature is none (EIP-2 included).
    pub senders: Result<Vec<Address>, usize>,
}

/// Opens the state before the block; the senders are recovered meanwhile.
pub fn open(block: &Block, database: impl FnOnce() -> WitnessDatabase) -> Opened {
    thread::scope(|scope| {
        let recovering = scope.spawn(|| recover_senders(&block.body.transactions));
        let state = State::builder().with_database(database()).with_bundle_update().build();
        let senders = recovering.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Opened { state, senders }
    })
}

fn recover_senders(transactions: &[Transaction]) -> Result<Vec<Address>, usize> {
    let recover = |(index, transaction): (usize, &Transaction)| transaction.recover_signer().map_err(|_| index);
    transactions.iter().enumerate().map(recover).collect()
}

/// Executes the block, system calls included. What it changed stays in `state`.
pub fn execute(
    block: &Block,
    senders: &[Address],
    chain: &Chain,
    state: &mut State<WitnessDatabase>,
) -> Result<Executed, Ended> {
    let header = &block.header;
    let environment = EvmEnv::for_eth_block(header, chain, chain.id, chain.blobs);
    let context = EthBlockExecutionCtx {
        parent_hash: header.parent_hash,
        parent_beacon_block_root: header.parent_beacon_block_root,
        ommers: &block.body.ommers,
        withdrawals: block.body.withdrawals.as_ref().map(|withdrawals| withdrawals.as_slice().into()),
        extra_data: header.extra_data.clone(),
        tx_count_hint: Some(block.body.transactions.len()),
        slot_number: None,
    };
    let evm = EthEvmFactory::default().create_evm(state, environment);
    let mut executor = EthBlockExecutor::new(evm, context, chain, Receipts);
    let outside = |error| Ended { error, transaction: None };
    executor.apply_pre_execution_changes().map_err(outside)?;
    for (index, (transaction, sender)) in block.body.transactions.iter().zip(senders).enumerate() {
        let recovered = Recovered::new_unchecked(transaction, *sender);
        executor.execute_transaction(recovered).map_err(|error| Ended { error, transaction: Some(index) })?;
    }
    executor.apply_post_execution_changes().map_err(outside)
}

/// The changes that an executed block made, taken out of `state`.
pub fn take_changes(state: &mut State<WitnessDatabase>) -> BundleState {
    state.merge_transitions(BundleRetention::PlainState);
    state.take_bundle()
}

/// What the verifier is told of an error: the rule that the block broke, or that the client failed by itself.
///
/// A miss comes before whatever the client made of it.
pub fn explain(ended: &Ended, database: &WitnessDatabase) -> Stop {
    if let Some(failure) = database.first_failure() {
        return failure.into();
    }
    let text = match ended.transaction {
        Some(index) => format!("transaction {index}: {}", ended.error),
        None => ended.error.to_string(),
    };
    match rule(&ended.error) {
        Some(rule) => broken(rule, text).into(),
        None => abstain(AbstentionReason::Crashed, format!("revm: {text}")),
    }
}

fn rule(error: &BlockExecutionError) -> Option<Rule> {
    let BlockExecutionError::Validation(invalid) = error else { return None };
    match invalid {
        Invalid::InvalidTx { .. } => Some(Rule::Transaction),
        Invalid::TransactionGasLimitMoreThanAvailableBlockGas { .. } => Some(Rule::BlockGas),
        Invalid::MissingParentBeaconBlockRoot => Some(Rule::HeaderFields),
        Invalid::WithdrawalRequestsContractCall { .. } | Invalid::ConsolidationRequestsContractCall { .. } => {
            Some(Rule::SystemContract)
        }
        Invalid::DepositRequestDecode(_) => Some(Rule::DepositRequests),
        // Failures of the client's own, or of forks that are not executed here.
        _ => None,
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Missing(missing) => missing.into(),
            Failure::Cancelled => Self::Cancelled,
        }
    }
}
