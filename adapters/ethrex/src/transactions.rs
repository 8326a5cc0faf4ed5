//! The block's transactions one after the other, where the client's `execute_block` is not enough: it takes them all at
//! once, and its error does not say which one failed.

use std::sync::Arc;

use ethrex_common::Address;
use ethrex_common::types::{Block, ChainConfig, Transaction};
use ethrex_crypto::NativeCrypto;
use ethrex_levm::errors::ExecutionReport;
use ethrex_vm::{Evm, EvmError, check_2d_gas_allowance};

use crate::database::Database;

/// Executes the block up to its last transaction, the system calls before them included.
///
/// execute: executes one, by index; Ok(None) ends it. The error: the index of the transaction that may not be included,
/// or whose execution failed; None where that was before the transactions.
pub fn one_by_one<E: From<EvmError>>(
    block: &Block,
    config: &ChainConfig,
    database: Database,
    mut execute: impl FnMut(&mut Evm, usize, &Transaction, Address) -> Result<Option<ExecutionReport>, E>,
) -> Result<(), (Option<usize>, E)> {
    let Block { header, body } = block;
    let mut evm = Evm::new_for_l1(database, Arc::new(NativeCrypto));
    evm.apply_system_calls(header).map_err(|error| (None, error.into()))?;
    // From Amsterdam on gas has two dimensions (EIP-8037); before it, what was refunded counts as not used.
    let is_amsterdam = config.is_amsterdam_activated(header.timestamp);
    let (mut spent, mut regular, mut state) = (0_u64, 0_u64, 0_u64);
    for (index, transaction) in body.transactions.iter().enumerate() {
        let failed = |error| (Some(index), error);
        let allowance = if is_amsterdam {
            check_2d_gas_allowance(transaction, regular, state, header.gas_limit)
        } else if transaction.gas_limit() > header.gas_limit.saturating_sub(spent) {
            Err(EvmError::Transaction("more gas than the block has left".to_owned()))
        } else {
            Ok(())
        };
        allowance.map_err(|error| failed(error.into()))?;
        let sender = transaction.sender(&NativeCrypto).map_err(|error| EvmError::Transaction(error.to_string()));
        let sender = sender.map_err(|error| failed(error.into()))?;
        let Some(report) = execute(&mut evm, index, transaction, sender).map_err(failed)? else { return Ok(()) };
        spent = spent.saturating_add(report.gas_spent);
        regular = regular.saturating_add(report.gas_used.saturating_sub(report.state_gas_used));
        state = state.saturating_add(report.state_gas_used);
    }
    Ok(())
}

/// The index of the first transaction that may not be included.
pub fn failing(block: &Block, config: &ChainConfig, database: Database) -> Option<usize> {
    let executed: Result<_, (_, EvmError)> = one_by_one(block, config, database, |evm, _, transaction, sender| {
        let (_, report) = evm.execute_tx(transaction, &block.header, &mut 0, sender)?;
        Ok(Some(report))
    });
    executed.err()?.0
}
