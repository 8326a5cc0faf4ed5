//! What the transactions do, instruction by instruction, and whether that is what the client does by itself.

use adapter_host::hash::Hash;
use adapter_host::rpc::Receipt;
use adapter_host::trace::{Over, Trace};
use adapter_host::word::Word;
use ethrex_common::types::{Block, ChainConfig};
use ethrex_crypto::NativeCrypto;

use crate::database::Database;
use crate::stepping::{self, Interruption};
use crate::transactions::one_by_one;

/// What the transactions came to, as far as they were executed.
#[derive(Debug, Default)]
pub struct Ends {
    /// Whether each succeeded, and the gas that it used, refunds taken off.
    transactions: Vec<(bool, u64)>,
    /// What the client said of the one after them.
    failure: Option<String>,
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
                trace.step(instruction, stack.iter().rev().map(|word: &ethrex_common::U256| Word(word.to_big_endian())))
            };
            let report = stepping::execute(transaction, sender, header, config, &mut evm.db, &mut observer)?;
            trace.end(report.is_success(), report.gas_spent)?;
            report
        } else {
            evm.execute_tx(transaction, header, &mut 0, sender)?.1
        };
        ends.transactions.push((report.is_success(), report.gas_spent));
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
        for (index, (succeeded, gas_used)) in self.transactions.iter().enumerate() {
            let receipt = receipts.get(index)?;
            let expected = (receipt.succeeded == Some(true), receipt.cumulative_gas_used - before);
            before = receipt.cumulative_gas_used;
            if (*succeeded, *gas_used) != expected {
                let [traced, plain] = [(*succeeded, *gas_used), expected].map(|(succeeded, gas)| {
                    format!("{} with {gas} gas", if succeeded { "succeeded" } else { "failed" })
                });
                return Some(format!("transaction {index} {traced} when traced, {plain} when not"));
            }
        }
        let reason = self.failure.as_ref()?;
        Some(format!("transaction {} cannot be traced: {reason}", self.transactions.len()))
    }
}
