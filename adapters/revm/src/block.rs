//! The block, decoded strictly.

use adapter_host::binding::Bound;
use adapter_host::outcome::broken;
use adapter_host::rlp;
use adapter_host::rpc::{BrokenRule, Rule};
use alloy_consensus::{EthereumTxEnvelope, Header, TxEip4844, TxType};
use alloy_rlp::{Decodable, Encodable};

use crate::fork::Fork;

/// A transaction as it stands in a block: one with blobs never brings them along.
pub type Transaction = EthereumTxEnvelope<TxEip4844>;
pub type Block = alloy_consensus::Block<Transaction>;

/// Decodes the block at `encoded`. What is decoded and encoded again has to be the same.
pub fn decode(encoded: &[u8], bound: &Bound<'_>, fork: Fork) -> Result<Block, BrokenRule> {
    check_fields(bound.header, fork)?;
    let not_decoded = |reason: String| broken(Rule::BlockEncoding, reason);
    let block = Block::decode(&mut &*encoded).map_err(|error| not_decoded(error.to_string()))?;
    let mut canonical = Vec::with_capacity(encoded.len());
    block.encode(&mut canonical);
    if canonical != encoded {
        let place = canonical.iter().zip(encoded).take_while(|(left, right)| left == right).count();
        return Err(not_decoded(format!("not canonical RLP at byte {place} of the block")));
    }
    check_transaction_types(&block, fork)?;
    Ok(block)
}

/// A header of the witness: an ancestor's, of whatever fork.
pub fn decode_header(encoded: &[u8]) -> Result<Header, alloy_rlp::Error> {
    let mut rest = encoded;
    let header = Header::decode(&mut rest)?;
    if rest.is_empty() { Ok(header) } else { Err(alloy_rlp::Error::UnexpectedLength) }
}

fn check_fields(header: &[u8], fork: Fork) -> Result<(), BrokenRule> {
    let fields = rlp::list(header)
        .and_then(|mut items| items.try_fold(0usize, |count, item| item.map(|_| count + 1)))
        .map_err(|reason| broken(Rule::BlockEncoding, format!("header: {reason}")))?;
    let expected = fork.header_fields();
    if fields == expected {
        return Ok(());
    }
    let detail = format!("the header has {fields} fields, {} has {expected}", fork.name());
    Err(broken(Rule::HeaderFields, detail))
}

/// Whether the fork has the transactions' types (EIP-2930, 1559, 4844, 7702).
fn check_transaction_types(block: &Block, fork: Fork) -> Result<(), BrokenRule> {
    for (index, transaction) in block.body.transactions.iter().enumerate() {
        let first = match transaction.tx_type() {
            TxType::Legacy => Fork::Byzantium,
            TxType::Eip2930 => Fork::Berlin,
            TxType::Eip1559 => Fork::London,
            TxType::Eip4844 => Fork::Cancun,
            TxType::Eip7702 => Fork::Prague,
        };
        if fork < first {
            let kind = u8::from(transaction.tx_type());
            let detail = format!("transaction {index}: type {kind} is not of {}", fork.name());
            return Err(broken(Rule::BlockEncoding, detail));
        }
    }
    Ok(())
}
