//! One block on its witness, from the file to the answer.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ethrex_common::constants::DEPOSIT_TOPIC;
use ethrex_common::types::block_access_list::BlockAccessList;
use ethrex_common::types::requests::{EncodedRequests, compute_requests_hash};
use ethrex_common::types::{Block, BlockHeader, compute_receipts_root_and_logs_bloom, compute_withdrawals_root};
use ethrex_common::{H256, validate_block_access_list_size};
use ethrex_crypto::NativeCrypto;
use ethrex_crypto::keccak::keccak_hash;
use ethrex_rlp::decode::RLPDecode;
use ethrex_rlp::encode::RLPEncode;
use ethrex_vm::{BlockExecutionResult, Evm, EvmError};

use crate::ancestry::{Ancestry, Unusable};
use crate::chain_config::Chain;
use crate::missing::Missing;
use crate::rpc::{Abstention, AbstentionReason, BrokenRule, Computed, Receipt, Rule};
use crate::rules::{self, Objection};
use crate::witness_database::{Failure, WitnessDatabase};
use crate::witness_file::{DamagedFile, WitnessFile};
use crate::{block_bytes, rlp};

/// What a request asks, besides the file.
#[derive(Clone, Debug)]
pub struct Question {
    pub block_hash: H256,
    pub pre_state_root: H256,
    /// Instead of the file's own, where not empty.
    pub chain_config: Bytes,
    pub parent_header_optional: bool,
    /// By number: what the verifier knows of its own chain, for BLOCKHASH where the witness has no header.
    pub ancestor_hashes: HashMap<u64, H256>,
}

/// Why there are no computed values.
#[derive(Debug)]
pub enum Stop {
    Broken(BrokenRule),
    Abstain(Abstention),
    /// Nobody waits for an answer any more.
    Cancelled,
}

/// How long the parts took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    pub decode: Duration,
    pub execute: Duration,
    pub root: Duration,
}

pub fn abstain(reason: AbstentionReason, detail: impl AsRef<str>) -> Stop {
    let detail = rules::one_line(detail.as_ref());
    Stop::Abstain(Abstention { reason: reason.into(), detail, missing: Vec::new() })
}

fn refuse(detail: impl AsRef<str>) -> Stop {
    abstain(AbstentionReason::Refused, detail)
}

impl From<Missing> for Stop {
    fn from(missing: Missing) -> Self {
        Self::Abstain(Abstention {
            reason: AbstentionReason::WitnessInsufficient.into(),
            detail: rules::one_line(&missing.describe()),
            missing: vec![missing.into()],
        })
    }
}

impl From<DamagedFile> for Stop {
    fn from(damage: DamagedFile) -> Self {
        refuse(damage.0)
    }
}

impl From<Objection> for Stop {
    fn from(objection: Objection) -> Self {
        match objection {
            Objection::Broken(rule) => Self::Broken(rule),
            Objection::Configuration(detail) => refuse(detail),
        }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Missing(missing) => missing.into(),
            Failure::Internal(detail) => abstain(AbstentionReason::Crashed, detail),
        }
    }
}

/// Everything that execution needs, every check before execution passed.
pub struct Prepared {
    block: Block,
    chain: Chain,
    fork_has: ForkHas,
    database: WitnessDatabase,
    unchecked_rules: Vec<Rule>,
}

/// Which results the block's fork has.
#[derive(Clone, Copy)]
struct ForkHas {
    withdrawals: bool,
    blobs: bool,
    requests: bool,
}

/// What an execution leaves behind. To drop it takes about a tenth of the time of a request, so it is handed out, to
/// be dropped after the answer is on its way.
pub struct Leftover {
    _prepared: Prepared,
    _evm: Evm,
}

/// Executes the block of `file`. `cancelled` is looked at whenever the client reads the state.
pub fn execute(
    file: Arc<WitnessFile>,
    question: &Question,
    cancelled: Arc<AtomicBool>,
    spent: &mut Spent,
) -> (Result<Computed, Stop>, Option<Leftover>) {
    match prepare(file, question, cancelled, spent) {
        Ok(prepared) => {
            let mut evm = Evm::new_for_l1(prepared.database.clone(), Arc::new(NativeCrypto));
            let result = run(&prepared, &mut evm, spent);
            (result, Some(Leftover { _prepared: prepared, _evm: evm }))
        }
        Err(stop) => (Err(stop), None),
    }
}

fn prepare(
    file: Arc<WitnessFile>,
    question: &Question,
    cancelled: Arc<AtomicBool>,
    spent: &mut Spent,
) -> Result<Prepared, Stop> {
    let started = Instant::now();
    let header_bytes = block_bytes::header(file.block()).map_err(|reason| refuse(format!("block: {reason}")))?;
    check_hash(header_bytes, &file, question)?;
    let json = if question.chain_config.is_empty() { file.chain_config() } else { &question.chain_config };
    let chain = Chain::parse(json).map_err(refuse)?;
    check_fork(header_bytes, &chain, &file)?;

    let block = decode_block(file.block(), question.block_hash)?;
    let ancestry =
        Ancestry::new(&block.header, &file, question.parent_header_optional, question.ancestor_hashes.clone())
            .map_err(|error| match error {
                Unusable::Missing(missing) => missing.into(),
                Unusable::Refused(reason) => refuse(reason),
            })?;
    let (parent, unchecked_rules) = match &ancestry.parent {
        Some(parent) if parent.state_root != question.pre_state_root => {
            return Err(refuse(format!(
                "pre-state root {:#x} of the parent's header is not the trusted {:#x}",
                parent.state_root, question.pre_state_root
            )));
        }
        Some(parent) => (parent.clone(), Vec::new()),
        None => (stand_in_parent(&block.header, &chain)?, rules::RULES_OF_PARENT.to_vec()),
    };
    spent.decode = started.elapsed();

    let checking = Instant::now();
    rules::check_before_execution(&block, &parent, &chain.config)?;
    spent.execute = checking.elapsed();

    let indexing = Instant::now();
    let root = question.pre_state_root;
    let database = WitnessDatabase::new(file, chain.config, ancestry, parent, root, cancelled)?;
    spent.decode += indexing.elapsed();

    let timestamp = block.header.timestamp;
    let fork_has = ForkHas {
        withdrawals: chain.config.is_shanghai_activated(timestamp),
        blobs: chain.config.is_cancun_activated(timestamp),
        requests: chain.config.is_prague_activated(timestamp),
    };
    Ok(Prepared { block, chain, fork_has, database, unchecked_rules })
}

fn check_hash(header: &[u8], file: &WitnessFile, question: &Question) -> Result<(), Stop> {
    let hash = H256(keccak_hash(header));
    if file.block_hash != hash {
        return Err(refuse(format!("the block has hash {hash:#x}, the file names {:#x}", file.block_hash)));
    }
    if question.block_hash != hash {
        return Err(refuse(format!("the witness is of block {hash:#x}, asked for is {:#x}", question.block_hash)));
    }
    Ok(())
}

fn check_fork(header: &[u8], chain: &Chain, file: &WitnessFile) -> Result<(), Stop> {
    let encoding =
        |reason: rlp::Malformed| Stop::Broken(rules::broken(Rule::BlockEncoding, format!("header: {reason}")));
    let fields = block_bytes::fork_fields(header).map_err(encoding)?;
    if fields.number != file.number || chain.config.chain_id != file.chain_id {
        return Err(refuse(format!(
            "block {} of chain {} is in a file of block {} of chain {}",
            fields.number, chain.config.chain_id, file.number, file.chain_id
        )));
    }
    let fork = chain.fork(fields.number, fields.timestamp, fields.has_difficulty);
    let unsupported =
        |name| abstain(AbstentionReason::UnsupportedFork, format!("ethrex does not execute {name} blocks"));
    fork.map_err(unsupported)?;
    if fields.number == 0 { Err(refuse("a genesis block is not executed")) } else { Ok(()) }
}

fn decode_block(encoded: &[u8], hash: H256) -> Result<Block, Stop> {
    let broken = |reason: String| Stop::Broken(rules::broken(Rule::BlockEncoding, reason));
    let block = Block::decode(encoded).map_err(|error| broken(error.to_string()))?;
    // The client's decoder forgives some of what is not canonical; what it encodes is.
    let canonical = block.encode_to_vec();
    if canonical != encoded {
        let place = canonical.iter().zip(encoded).take_while(|(left, right)| left == right).count();
        return Err(broken(format!("not canonical RLP at byte {place} of the block")));
    }
    let _ = block.header.hash.set(hash);
    Ok(block)
}

fn stand_in_parent(header: &BlockHeader, chain: &Chain) -> Result<BlockHeader, Stop> {
    let missing = || Missing::Parent { hash: header.parent_hash, number: header.number - 1 };
    rules::stand_in_parent(header, &chain.config).ok_or_else(|| missing().into())
}

fn run(prepared: &Prepared, evm: &mut Evm, spent: &mut Spent) -> Result<Computed, Stop> {
    let Prepared { block, database, .. } = prepared;
    let executing = Instant::now();
    let executed = evm.execute_block(block);
    // A miss counts even where the client went on without it, and before whatever else came of it.
    if database.is_cancelled() {
        return Err(Stop::Cancelled);
    }
    if let Some(missing) = database.first_missing() {
        return Err(missing.into());
    }
    let (result, access_list) = executed.map_err(|error| explain(&error, prepared))?;
    check_after_execution(prepared, &result, access_list.as_ref())?;
    spent.execute += executing.elapsed();

    let hashing = Instant::now();
    let updates = evm.get_state_transitions().map_err(|error| explain(&error, prepared))?;
    if let Some(missing) = database.first_missing() {
        return Err(missing.into());
    }
    let state_root = database.apply(&updates)?;
    let computed = collect(prepared, &result, access_list.as_ref(), state_root);
    spent.root = hashing.elapsed();
    Ok(computed)
}

fn check_after_execution(
    prepared: &Prepared,
    result: &BlockExecutionResult,
    access_list: Option<&BlockAccessList>,
) -> Result<(), Stop> {
    let Prepared { block, chain, fork_has, .. } = prepared;
    let mut first_topics =
        result.receipts.iter().flat_map(|receipt| &receipt.logs).filter_map(|log| log.topics.first());
    if fork_has.requests && !chain.names_deposit_contract && first_topics.any(|topic| *topic == *DEPOSIT_TOPIC) {
        return Err(refuse("the chain config names no deposit contract, and a transaction may have made a deposit"));
    }
    if let Some(access_list) = access_list {
        validate_block_access_list_size(&block.header, &chain.config, access_list)
            .map_err(|error| Stop::Broken(rules::broken(Rule::Other, error.to_string())))?;
    }
    Ok(())
}

fn collect(
    prepared: &Prepared,
    result: &BlockExecutionResult,
    access_list: Option<&BlockAccessList>,
    state_root: H256,
) -> Computed {
    let Prepared { block, fork_has, unchecked_rules, .. } = prepared;
    let (receipts_root, logs_bloom) = compute_receipts_root_and_logs_bloom(&result.receipts, &NativeCrypto);
    let requests: Vec<EncodedRequests> = result.requests.iter().map(|requests| requests.encode()).collect();
    Computed {
        state_root: word(state_root),
        receipts_root: word(receipts_root),
        logs_bloom: Bytes::copy_from_slice(logs_bloom.as_bytes()),
        gas_used: result.block_gas_used,
        // `validate_block_body` has computed the roots of the body and found them to be the header's.
        transactions_root: word(block.header.transactions_root),
        blob_gas_used: fork_has.blobs.then(|| rules::blob_gas(block)),
        withdrawals_root: fork_has.withdrawals.then(|| word(withdrawals_root(block))),
        requests_hash: fork_has.requests.then(|| word(compute_requests_hash(&requests))),
        block_access_list_hash: access_list.map(|list| word(list.compute_hash(&NativeCrypto))),
        receipts: result.receipts.iter().map(receipt).collect(),
        unchecked_rules: unchecked_rules.iter().map(|&rule| rule.into()).collect(),
    }
}

/// Also of a body without withdrawals where the fork has them: the client lets such a block pass if its header has no
/// root either, and then the header is what differs.
fn withdrawals_root(block: &Block) -> H256 {
    block.header.withdrawals_root.unwrap_or_else(|| compute_withdrawals_root(&[], &NativeCrypto))
}

fn receipt(receipt: &ethrex_common::types::Receipt) -> Receipt {
    Receipt {
        succeeded: Some(receipt.succeeded),
        post_state: None,
        cumulative_gas_used: receipt.cumulative_gas_used,
        logs_hash: word(H256(keccak_hash(receipt.logs.encode_to_vec()))),
    }
}

fn word(hash: H256) -> Bytes {
    Bytes::copy_from_slice(hash.as_bytes())
}

/// The rule that the block broke, or that the client failed by itself.
fn explain(error: &EvmError, prepared: &Prepared) -> Stop {
    let Some(rule) = rules::execution_rule(error) else {
        return abstain(AbstentionReason::Crashed, format!("ethrex: {error}"));
    };
    let index = match rule {
        Rule::Transaction | Rule::BlockGas => failing_transaction(prepared),
        _ => None,
    };
    Stop::Broken(rules::broken(
        rule,
        index.map_or_else(String::new, |index| format!("transaction {index}: ")) + &error.to_string(),
    ))
}

/// The index of the transaction that may not be included. The client's error does not say: execute them one by one.
fn failing_transaction(prepared: &Prepared) -> Option<usize> {
    let Block { header, body } = &prepared.block;
    let mut evm = Evm::new_for_l1(prepared.database.clone(), Arc::new(NativeCrypto));
    evm.apply_system_calls(header).ok()?;
    let mut cumulative_gas_used = 0;
    // From Amsterdam on gas is counted in two dimensions, which only the client's own loop does.
    let one_dimension = !prepared.chain.config.is_amsterdam_activated(header.timestamp);
    body.transactions.iter().position(|tx| {
        let fits = tx.gas_limit() <= header.gas_limit.saturating_sub(cumulative_gas_used);
        let Ok(sender) = tx.sender(&NativeCrypto) else { return true };
        (one_dimension && !fits) || evm.execute_tx(tx, header, &mut cumulative_gas_used, sender).is_err()
    })
}
