//! Receipts: as revm's executor builds them, and as the contract carries them.

use adapter_host::hash::Hash;
use adapter_host::rpc;
use alloy_consensus::{Eip658Value, ReceiptEnvelope, TxType};
use alloy_evm::Evm;
use alloy_evm::eth::receipt_builder::{ReceiptBuilder, ReceiptBuilderCtx};
use alloy_primitives::{Bloom, keccak256};

use crate::block::Transaction;

/// Builds receipts for transactions as they stand in blocks; alloy-evm's own is for those that may bring blobs along.
#[derive(Clone, Copy, Debug, Default)]
pub struct Receipts;

impl ReceiptBuilder for Receipts {
    type Transaction = Transaction;
    type Receipt = ReceiptEnvelope;

    fn build_receipt<E: Evm>(&self, context: ReceiptBuilderCtx<'_, TxType, E>) -> ReceiptEnvelope {
        let receipt = alloy_consensus::Receipt {
            status: Eip658Value::Eip658(context.result.is_success()),
            cumulative_gas_used: context.cumulative_gas_used,
            logs: context.result.into_logs(),
        };
        let receipt = receipt.with_bloom();
        match context.tx_type {
            TxType::Legacy => ReceiptEnvelope::Legacy(receipt),
            TxType::Eip2930 => ReceiptEnvelope::Eip2930(receipt),
            TxType::Eip1559 => ReceiptEnvelope::Eip1559(receipt),
            TxType::Eip4844 => ReceiptEnvelope::Eip4844(receipt),
            TxType::Eip7702 => ReceiptEnvelope::Eip7702(receipt),
        }
    }
}

/// One receipt for the answer.
pub fn message(receipt: &ReceiptEnvelope) -> rpc::Receipt {
    let mut logs = Vec::new();
    alloy_rlp::encode_list(receipt.logs(), &mut logs);
    rpc::Receipt {
        succeeded: Some(receipt.status()),
        post_state: None,
        cumulative_gas_used: receipt.cumulative_gas_used(),
        logs_hash: Hash(keccak256(logs).0).to_bytes(),
    }
}

/// The bloom filter of the whole block.
pub fn bloom(receipts: &[ReceiptEnvelope]) -> Bloom {
    receipts.iter().fold(Bloom::ZERO, |bloom, receipt| bloom | *receipt.logs_bloom())
}
