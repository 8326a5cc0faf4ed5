//! One block on its witness, from the file to the answer.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use adapter_host::ancestry::Ancestry;
use adapter_host::binding;
use adapter_host::client::{Client, Question, Spent};
use adapter_host::hash::Hash;
use adapter_host::outcome::{Stop, abstain, broken, refuse};
use adapter_host::prestate::Prestate;
use adapter_host::rpc::{AbstentionReason, Computed, DescribeResponse, Mode, Receipt, Rule};
use adapter_host::trace::Trace;
use adapter_host::witness_file::WitnessFile;
use bytes::Bytes;
use ethrex_common::constants::DEPOSIT_TOPIC;
use ethrex_common::types::block_access_list::BlockAccessList;
use ethrex_common::types::requests::{EncodedRequests, compute_requests_hash};
use ethrex_common::types::{Block, Log, compute_receipts_root_and_logs_bloom, compute_withdrawals_root};
use ethrex_common::{H256, validate_block_access_list_size};
use ethrex_crypto::NativeCrypto;
use ethrex_crypto::keccak::keccak_hash;
use ethrex_rlp::decode::RLPDecode;
use ethrex_rlp::encode::RLPEncode;
use ethrex_vm::{BlockExecutionResult, Evm, EvmError};

use crate::chain_config::Chain;
use crate::database::{Accounts, After, Database, Failure};
use crate::description::DESCRIPTION;
use crate::listed_state::ListedState;
use crate::proven_state::ProvenState;
use crate::rules::{self, Objection};
use crate::{parent, trace, transactions, warm_up};

/// The client, for the host.
pub struct Ethrex;

impl Client for Ethrex {
    type Leftover = Leftover;

    fn describe(&self) -> DescribeResponse {
        DESCRIPTION.into()
    }

    fn warm_up(&self) -> bool {
        warm_up::warm_up()
    }

    fn execute(
        &self,
        file: Arc<WitnessFile>,
        question: &Question,
        cancelled: Arc<AtomicBool>,
        spent: &mut Spent,
    ) -> (Result<Computed, Stop>, Option<Leftover>) {
        execute(file, question, cancelled, spent)
    }

    fn trace(
        &self,
        file: Arc<WitnessFile>,
        question: &Question,
        cancelled: Arc<AtomicBool>,
        spent: &mut Spent,
        trace: &mut Trace,
    ) -> (Result<Computed, Stop>, Option<Leftover>) {
        execute_traced(file, question, cancelled, spent, trace)
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
    database: Database,
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
        Ok(prepared) => run_prepared(prepared, spent),
        Err(stop) => (Err(stop), None),
    }
}

/// Executes the block as `execute` does, with the same result, and puts what its transactions do into `into`.
///
/// The client has no place for an observer where it executes a block, so the transactions are executed twice: one
/// instruction at a time, and then by the client alone, whose result this is. If the two differ, there is none.
pub fn execute_traced(
    file: Arc<WitnessFile>,
    question: &Question,
    cancelled: Arc<AtomicBool>,
    spent: &mut Spent,
    into: &mut Trace,
) -> (Result<Computed, Stop>, Option<Leftover>) {
    let prepared = match prepare(file, question, cancelled, spent) {
        Ok(prepared) => prepared,
        Err(stop) => return (Err(stop), None),
    };
    let Prepared { block, chain, database, .. } = &prepared;
    let tracing = Instant::now();
    let Ok(ends) = trace::trace(block, &chain.config, database.clone(), into) else {
        return (Err(Stop::Cancelled), None);
    };
    spent.execute += tracing.elapsed();
    let (result, leftover) = run_prepared(prepared, spent);
    let result = result.and_then(|computed| match ends.difference(&computed.receipts) {
        Some(difference) => Err(abstain(AbstentionReason::Crashed, difference)),
        None => Ok(computed),
    });
    (result, leftover)
}

fn run_prepared(prepared: Prepared, spent: &mut Spent) -> (Result<Computed, Stop>, Option<Leftover>) {
    let mut evm = Evm::new_for_l1(prepared.database.clone(), Arc::new(NativeCrypto));
    let result = run(&prepared, &mut evm, spent);
    (result, Some(Leftover { _prepared: prepared, _evm: evm }))
}

fn prepare(
    file: Arc<WitnessFile>,
    question: &Question,
    cancelled: Arc<AtomicBool>,
    spent: &mut Spent,
) -> Result<Prepared, Stop> {
    let started = Instant::now();
    let bound = binding::bind(&file, question, keccak, DESCRIPTION.client_name, DESCRIPTION.forks)?;
    let chain = Chain::new(bound.chain.clone()).map_err(refuse)?;
    let prestate = if question.mode == Mode::Prestate { Some(Prestate::of(&file)?) } else { None };
    let block = decode_block(file.block(), bound.hash)?;
    let ancestry = Ancestry::new(&file, &bound, question, keccak)?;
    let (parent, unchecked_rules) = parent::parent(&block.header, &file, &ancestry, &chain.config)?;
    spent.decode = started.elapsed();

    let checking = Instant::now();
    rules::check_before_execution(&block, &parent, &chain.config)?;
    spent.execute = checking.elapsed();

    let indexing = Instant::now();
    let accounts = match prestate {
        Some(prestate) => Accounts::Listed(ListedState::new(prestate)),
        None => {
            let root = H256(question.pre_state_root.0);
            Accounts::Proven(Box::new(ProvenState::new(Arc::clone(&file), chain.config, parent, root)?))
        }
    };
    let database = Database::new(file, chain.config, ancestry, accounts, cancelled);
    spent.decode += indexing.elapsed();

    let timestamp = block.header.timestamp;
    let fork_has = ForkHas {
        withdrawals: chain.config.is_shanghai_activated(timestamp),
        blobs: chain.config.is_cancun_activated(timestamp),
        requests: chain.config.is_prague_activated(timestamp),
    };
    Ok(Prepared { block, chain, fork_has, database, unchecked_rules })
}

fn decode_block(encoded: &[u8], hash: Hash) -> Result<Block, Stop> {
    let not_decoded = |reason: String| Stop::Broken(broken(Rule::BlockEncoding, reason));
    let block = Block::decode(encoded).map_err(|error| not_decoded(error.to_string()))?;
    // The client's decoder forgives some of what is not canonical; what it encodes is.
    let canonical = block.encode_to_vec();
    if canonical != encoded {
        let place = canonical.iter().zip(encoded).take_while(|(left, right)| left == right).count();
        return Err(not_decoded(format!("not canonical RLP at byte {place} of the block")));
    }
    let _ = block.header.hash.set(H256(hash.0));
    Ok(block)
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
    let after = database.apply(&updates)?;
    let computed = collect(prepared, &result, access_list.as_ref(), after);
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
            .map_err(|error| Stop::Broken(broken(Rule::Other, error.to_string())))?;
    }
    Ok(())
}

fn collect(
    prepared: &Prepared,
    result: &BlockExecutionResult,
    access_list: Option<&BlockAccessList>,
    after: After,
) -> Computed {
    let Prepared { block, fork_has, unchecked_rules, .. } = prepared;
    let (receipts_root, logs_bloom) = compute_receipts_root_and_logs_bloom(&result.receipts, &NativeCrypto);
    let requests: Vec<EncodedRequests> = result.requests.iter().map(|requests| requests.encode()).collect();
    let (state_root, post_state) = match after {
        After::StateRoot(root) => (word(root), Vec::new()),
        After::PostState(accounts) => (Bytes::new(), accounts),
    };
    Computed {
        state_root,
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
        post_state,
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
        logs_hash: logs_hash(&receipt.logs),
    }
}

/// Of a transaction's logs, as adapters/CONTRACT.md defines it.
pub fn logs_hash(logs: &Vec<Log>) -> Bytes {
    word(H256(keccak_hash(logs.encode_to_vec())))
}

fn keccak(bytes: &[u8]) -> Hash {
    Hash(keccak_hash(bytes))
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
        Rule::Transaction | Rule::BlockGas => {
            transactions::failing(&prepared.block, &prepared.chain.config, prepared.database.clone())
        }
        _ => None,
    };
    Stop::Broken(broken(
        rule,
        index.map_or_else(String::new, |index| format!("transaction {index}: ")) + &error.to_string(),
    ))
}
