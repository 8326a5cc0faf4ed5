//! The block through revm: alloy-evm's executor, transaction by transaction, on the witness's state.

use std::thread;

use adapter_host::outcome::{Stop, abstain, broken};
use adapter_host::rpc::{AbstentionReason, BrokenRule, Rule};
use adapter_host::trace::{Over, Trace};
use alloy_consensus::ReceiptEnvelope;
use alloy_consensus::transaction::{Recovered, SignerRecoverable};
use alloy_evm::block::{BlockExecutionError, BlockExecutionResult, BlockExecutor, BlockValidationError as Invalid};
use alloy_evm::eth::EthEvmContext;
use alloy_evm::eth::{EthBlockExecutionCtx, EthBlockExecutor};
use alloy_evm::precompiles::PrecompilesMap;
use alloy_evm::{EthEvm, EthEvmFactory, Evm, EvmEnv, EvmFactory};
use alloy_primitives::Address;
use revm::database::states::bundle_state::BundleRetention;
use revm::database::{BundleState, State};
use revm::inspector::Inspector;

use crate::block::{Block, Transaction};
use crate::chain::Chain;
use crate::environment::Failure;
use crate::receipts::Receipts;
use crate::state_before::StateBefore;
use crate::tracer::{Tracer, Watch};

pub type Executed = BlockExecutionResult<ReceiptEnvelope>;

/// What executing came to an end with.
#[derive(Debug)]
pub enum Ended {
    /// An error of revm's, and the transaction that was executed, if one was.
    Failed { error: BlockExecutionError, transaction: Option<usize> },
    /// Nobody reads the trace any more.
    Over,
}

impl From<Over> for Ended {
    fn from(_: Over) -> Self {
        Self::Over
    }
}

/// Opens the state before the block, which hashes all nodes; meanwhile another thread does what needs the block alone.
pub fn open<T: Send>(
    database: impl FnOnce() -> StateBefore,
    meanwhile: impl FnOnce() -> T + Send,
) -> (State<StateBefore>, T) {
    thread::scope(|scope| {
        let other = scope.spawn(meanwhile);
        let state = State::builder().with_database(database()).with_bundle_update().build();
        let done = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (state, done)
    })
}

/// Who sent the transactions. The error: the first one whose signature is none (EIP-2 included).
pub fn recover_senders(transactions: &[Transaction]) -> Result<Vec<Address>, BrokenRule> {
    let recover = |(index, transaction): (usize, &Transaction)| {
        let no_sender = |_| broken(Rule::Transaction, format!("transaction {index}: its signature has no sender"));
        transaction.recover_signer().map_err(no_sender)
    };
    transactions.iter().enumerate().map(recover).collect()
}

/// Executes the block, system calls included, into `trace` if there is one. What it changed stays in `state`.
pub fn execute(
    block: &Block,
    senders: &[Address],
    chain: &Chain,
    state: &mut State<StateBefore>,
    trace: Option<&mut Trace>,
) -> Result<Executed, Ended> {
    let environment = EvmEnv::for_eth_block(&block.header, chain, chain.id, chain.blobs);
    let factory = EthEvmFactory::default();
    match trace {
        None => execute_on(factory.create_evm(state, environment), block, senders, chain),
        Some(trace) => {
            let evm = factory.create_evm_with_inspector(state, environment, Tracer::new(trace));
            execute_on(evm, block, senders, chain)
        }
    }
}

fn execute_on<'a, I>(
    evm: EthEvm<&'a mut State<StateBefore>, I, PrecompilesMap>,
    block: &Block,
    senders: &[Address],
    chain: &Chain,
) -> Result<Executed, Ended>
where
    I: Watch + Inspector<EthEvmContext<&'a mut State<StateBefore>>>,
{
    let header = &block.header;
    let context = EthBlockExecutionCtx {
        parent_hash: header.parent_hash,
        parent_beacon_block_root: header.parent_beacon_block_root,
        ommers: &block.body.ommers,
        withdrawals: block.body.withdrawals.as_ref().map(|withdrawals| withdrawals.as_slice().into()),
        extra_data: header.extra_data.clone(),
        tx_count_hint: Some(block.body.transactions.len()),
        slot_number: None,
    };
    let mut executor = EthBlockExecutor::new(evm, context, chain, Receipts);
    let outside = |error| Ended::Failed { error, transaction: None };
    executor.apply_pre_execution_changes().map_err(outside)?;
    for (index, (transaction, sender)) in block.body.transactions.iter().zip(senders).enumerate() {
        executor.evm_mut().inspector_mut().begin(index, || *transaction.tx_hash())?;
        let recovered = Recovered::new_unchecked(transaction, *sender);
        let gas = executor
            .execute_transaction(recovered)
            .map_err(|error| Ended::Failed { error, transaction: Some(index) })?;
        let succeeded = executor.receipts().last().is_some_and(ReceiptEnvelope::status);
        executor.evm_mut().inspector_mut().end(succeeded, gas.tx_gas_used())?;
    }
    executor.apply_post_execution_changes().map_err(outside)
}

/// The changes that an executed block made, taken out of `state`.
pub fn take_changes(state: &mut State<StateBefore>) -> BundleState {
    state.merge_transitions(BundleRetention::PlainState);
    state.take_bundle()
}

/// What the verifier is told of an error: the rule that the block broke, or that the client failed by itself.
///
/// A miss comes before whatever the client made of it.
pub fn explain(ended: &Ended, database: &StateBefore) -> Stop {
    if let Some(failure) = database.first_failure() {
        return failure.into();
    }
    let Ended::Failed { error, transaction } = ended else { return Stop::Cancelled };
    let text = match transaction {
        Some(index) => format!("transaction {index}: {error}"),
        None => error.to_string(),
    };
    match rule(error) {
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
