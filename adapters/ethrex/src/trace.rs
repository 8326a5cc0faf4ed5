//! What the transactions do, instruction by instruction, and whether that is what the client does by itself.

use adapter_host::hash::Hash;
use adapter_host::rpc::Receipt;
use adapter_host::trace::{Over, Trace};
use adapter_host::word::Word;
use bytes::Bytes;
use ethrex_common::U256;
use ethrex_common::types::{Block, ChainConfig};
use ethrex_crypto::NativeCrypto;
use ethrex_levm::errors::ExecutionReport;

use crate::database::Database;
use crate::execution::logs_hash;
use crate::stepping::{self, Interruption};
use crate::transactions::one_by_one;

/// What the transactions came to, as far as they were executed.
#[derive(Debug, Default)]
pub struct Ends {
    transactions: Vec<End>,
    /// What the client said of the one after them.
    failure: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
struct End {
    succeeded: bool,
    gas_used: u64, // gas, refunds taken off
    logs_hash: Bytes,
}

impl From<&ExecutionReport> for End {
    fn from(report: &ExecutionReport) -> Self {
        Self { succeeded: report.is_success(), gas_used: report.gas_spent, logs_hash: logs_hash(&report.logs) }
    }
}

/// Executes the block up to the last transaction that is wanted, and puts what those do into `trace`.
pub fn trace(block: &Block, config: &ChainConfig, database: Database, trace: &mut Trace) -> Result<Ends, Over> {
    let (header, count) = (&block.header, block.body.transactions.len());
    let mut ends = Ends::default();
    let executed = one_by_one(block, config, database, |evm, index, transaction, sender| {
        if !(index..count).any(|later| trace.wants(later)) {
            return Ok(None);
        }
        let report = if trace.wants(index) {
            trace.begin(index, Hash(transaction.hash(&NativeCrypto).0))?;
            let mut observer = |instruction, stack: &[_]| {
                trace.step(instruction, stack.iter().rev().map(|word: &U256| Word(word.to_big_endian())))
            };
            let report = stepping::execute(transaction, sender, header, config, &mut evm.db, &mut observer)?;
            trace.end(report.is_success(), report.gas_spent)?;
            report
        } else {
            evm.execute_tx(transaction, header, &mut 0, sender)?.1
        };
        ends.transactions.push(End::from(&report));
        Ok::<_, Interruption>(Some(report))
    });
    match executed {
        Ok(()) => Ok(ends),
        Err((_, Interruption::Over)) => Err(Over),
        Err((_, Interruption::Failed(reason))) => Ok(Ends { failure: Some(reason), ..ends }),
    }
}

impl Ends {
    /// How the traced execution differs from the one that these receipts are of, in one line.
    pub fn difference(&self, receipts: &[Receipt]) -> Option<String> {
        let mut before = 0;
        for (index, (traced, receipt)) in self.transactions.iter().zip(receipts).enumerate() {
            let plain = End {
                succeeded: receipt.succeeded == Some(true),
                gas_used: receipt.cumulative_gas_used - before,
                logs_hash: receipt.logs_hash.clone(),
            };
            before = receipt.cumulative_gas_used;
            if *traced != plain {
                return Some(format!("transaction {index} ends otherwise when traced: {traced:?}, else {plain:?}"));
            }
        }
        let reason = self.failure.as_ref()?;
        Some(format!("transaction {} cannot be traced: {reason}", self.transactions.len()))
    }
}
