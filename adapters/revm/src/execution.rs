//! One block on its witness, from the file to the answer.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use adapter_host::ancestry::Ancestry;
use adapter_host::binding::{self, Bound};
use adapter_host::client::{Client, Question, Spent};
use adapter_host::hash::Hash;
use adapter_host::outcome::{Stop, refuse};
use adapter_host::prestate::Prestate;
use adapter_host::rpc::{Computed, DescribeResponse, Mode, Rule};
use adapter_host::trace::Trace;
use adapter_host::witness_file::WitnessFile;
use alloy_consensus::Header;
use alloy_consensus::proofs::calculate_receipt_root;
use alloy_primitives::{Address, B256, b256, keccak256};
use bytes::Bytes;
use revm::database::State;

use crate::block::{self, Block};
use crate::body_rules::{self, Commitment};
use crate::chain::Chain;
use crate::description::DESCRIPTION;
use crate::environment::Environment;
use crate::fork::Fork;
use crate::prestate_database::PrestateDatabase;
use crate::run::{self, Executed};
use crate::state_before::StateBefore;
use crate::witness_database::WitnessDatabase;
use crate::{header_rules, post_state, receipts, uncle_rules, warm_up};

/// What the deposit contract's logs start with (EIP-6110, DEPOSIT_EVENT_SIGNATURE_HASH).
pub const DEPOSIT_TOPIC: B256 = b256!("0x649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5");

/// The client, for the host.
pub struct Revm;

impl Client for Revm {
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
        execute(file, question, cancelled, spent, None)
    }

    fn trace(
        &self,
        file: Arc<WitnessFile>,
        question: &Question,
        cancelled: Arc<AtomicBool>,
        spent: &mut Spent,
        trace: &mut Trace,
    ) -> (Result<Computed, Stop>, Option<Leftover>) {
        execute(file, question, cancelled, spent, Some(trace))
    }
}

/// A block bound to file and request, and decoded.
struct Prepared<'a> {
    bound: Bound<'a>,
    block: Block,
    chain: Chain,
    ancestry: Ancestry,
    parent: Option<Header>,
}

/// What the rules leave of a block that keeps them.
struct Checked {
    commitment: Commitment,
    unchecked_rules: Vec<Rule>,
    senders: Vec<Address>,
}

/// What an execution leaves behind: its tries and caches take time to drop.
pub struct Leftover {
    _block: Block,
    _state: State<StateBefore>,
}

/// Executes the block of `file`, into `trace` if there is one. `cancelled` is looked at whenever the client reads the state.
pub fn execute(
    file: Arc<WitnessFile>,
    question: &Question,
    cancelled: Arc<AtomicBool>,
    spent: &mut Spent,
    trace: Option<&mut Trace>,
) -> (Result<Computed, Stop>, Option<Leftover>) {
    let opening = Instant::now();
    let opened = prepare(&file, question).and_then(|prepared| Ok((prepared, prestate_of(&file, question)?)));
    let (prepared, prestate) = match opened {
        Ok(opened) => opened,
        Err(stop) => {
            spent.decode = opening.elapsed();
            return (Err(stop), None);
        }
    };
    let root = B256::from(question.pre_state_root.0);
    let database = || {
        let ancestry = prepared.ancestry.clone();
        let environment = Environment::new(Arc::clone(&file), ancestry, prepared.chain.fork, cancelled);
        match prestate {
            None => StateBefore::Proven(WitnessDatabase::new(Arc::clone(&file), root, environment)),
            Some(prestate) => StateBefore::Listed(PrestateDatabase::new(prestate, environment)),
        }
    };
    let (mut state, checked) = run::open(database, || check(&prepared, &file));
    spent.decode = opening.elapsed();
    let result = checked.and_then(|checked| run_and_collect(&prepared, &checked, &mut state, spent, trace));
    (result, Some(Leftover { _block: prepared.block, _state: state }))
}

fn prepare<'a>(file: &'a WitnessFile, question: &Question) -> Result<Prepared<'a>, Stop> {
    let bound = binding::bind(file, question, keccak, DESCRIPTION.client_name, DESCRIPTION.forks)?;
    let chain = Chain::new(&bound.chain, bound.fork, bound.fields.number, bound.fields.timestamp)?;
    let block = block::decode(file.block(), &bound, chain.fork)?;
    let ancestry = Ancestry::new(file, &bound, question, keccak)?;
    let parent = decode_parent(file, &ancestry)?;
    Ok(Prepared { bound, block, chain, ancestry, parent })
}

fn prestate_of(file: &WitnessFile, question: &Question) -> Result<Option<Prestate>, Stop> {
    (question.mode == Mode::Prestate).then(|| Prestate::of(file)).transpose()
}

/// The rules for header and body in their order, and the senders: whatever needs no state.
fn check(prepared: &Prepared<'_>, file: &WitnessFile) -> Result<Checked, Stop> {
    let Prepared { bound, block, chain, ancestry, parent } = prepared;
    let mut unchecked_rules = header_rules::check(&block.header, parent.as_ref(), chain)?;
    unchecked_rules.extend(uncle_rules::check(block, file, ancestry, &bound.chain, chain.fork)?);
    let commitment = body_rules::check(block, file.block().len(), chain)?;
    Ok(Checked { commitment, unchecked_rules, senders: run::recover_senders(&block.body.transactions)? })
}

fn decode_parent(file: &WitnessFile, ancestry: &Ancestry) -> Result<Option<Header>, Stop> {
    let parent = ancestry.parent.clone().map(|place| block::decode_header(&file.bytes()[place]));
    parent.transpose().map_err(|error| refuse(format!("the parent's header cannot be decoded: {error}")))
}

fn run_and_collect(
    prepared: &Prepared<'_>,
    checked: &Checked,
    state: &mut State<StateBefore>,
    spent: &mut Spent,
    trace: Option<&mut Trace>,
) -> Result<Computed, Stop> {
    let executing = Instant::now();
    let executed = run::execute(&prepared.block, &checked.senders, &prepared.chain, state, trace);
    let executed = executed.map_err(|ended| run::explain(&ended, &state.database))?;
    // A miss counts even where the client went on without it.
    if let Some(failure) = state.database.first_failure() {
        return Err(failure.into());
    }
    check_deposits(&prepared.chain, &executed)?;
    spent.execute = executing.elapsed();

    let hashing = Instant::now();
    let changes = run::take_changes(state);
    let computed = collect(&prepared.chain, checked, &executed);
    let computed = match &mut state.database {
        StateBefore::Proven(database) => {
            Computed { state_root: word(post_state::apply(&changes, database)?), ..computed }
        }
        StateBefore::Listed(database) => {
            Computed { post_state: post_state::messages(&changes, &database.prestate)?, ..computed }
        }
    };
    spent.root = hashing.elapsed();
    Ok(computed)
}

/// Without the deposit contract's address nobody can tell which logs are deposits (EIP-6110).
fn check_deposits(chain: &Chain, executed: &Executed) -> Result<(), Stop> {
    if chain.fork < Fork::Prague || chain.deposit_contract.is_some() {
        return Ok(());
    }
    let mut logs = executed.receipts.iter().flat_map(|receipt| receipt.logs());
    if logs.any(|log| log.topics().first() == Some(&DEPOSIT_TOPIC)) {
        return Err(refuse("the chain config names no deposit contract, and a transaction may have made a deposit"));
    }
    Ok(())
}

/// All but the state after the block.
fn collect(chain: &Chain, checked: &Checked, executed: &Executed) -> Computed {
    let Checked { commitment, unchecked_rules, .. } = checked;
    Computed {
        receipts_root: word(calculate_receipt_root(&executed.receipts)),
        logs_bloom: Bytes::copy_from_slice(receipts::bloom(&executed.receipts).as_slice()),
        gas_used: executed.gas_used,
        transactions_root: word(commitment.transactions_root),
        blob_gas_used: commitment.blob_gas_used,
        withdrawals_root: commitment.withdrawals_root.map(word),
        requests_hash: (chain.fork >= Fork::Prague).then(|| word(executed.requests.requests_hash())),
        block_access_list_hash: None,
        receipts: executed.receipts.iter().map(receipts::message).collect(),
        unchecked_rules: unchecked_rules.iter().map(|&rule| rule.into()).collect(),
        ..Computed::default()
    }
}

pub fn keccak(bytes: &[u8]) -> Hash {
    Hash(keccak256(bytes).0)
}

fn word(hash: B256) -> Bytes {
    Bytes::copy_from_slice(hash.as_slice())
}
