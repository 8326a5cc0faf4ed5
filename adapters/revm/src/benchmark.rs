//! `--bench`: the block by the shortest way, without this adapter's checks and without gRPC.
//!
//! revm has no tries and no rules for headers and bodies. Its way from a witness to the roots is: decoding, hashing of
//! nodes and codes, recovery of senders, alloy-evm's executor, and the changes put into the tries.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use adapter_host::ancestry::Ancestry;
use adapter_host::binding;
use adapter_host::block_bytes;
use adapter_host::client::Question;
use adapter_host::outcome::Stop;
use adapter_host::rpc::Mode;
use adapter_host::witness_file::WitnessFile;
use alloy_consensus::proofs::calculate_receipt_root;
use alloy_primitives::B256;
use alloy_rlp::Decodable;

use crate::block::Block;
use crate::chain::Chain;
use crate::description::DESCRIPTION;
use crate::environment::Environment;
use crate::execution::keccak;
use crate::run;
use crate::state_before::StateBefore;
use crate::witness_database::WitnessDatabase;
use crate::{post_state, receipts};

/// Executes a witness file once.
pub fn shortest_way(path: &Path) -> Result<(), Box<dyn Error>> {
    let file = Arc::new(WitnessFile::open(path).map_err(|damage| damage.0)?);
    let parent = file.headers.last().ok_or("the parent's header is missing")?;
    let root = block_bytes::state_root(&file.bytes()[parent.clone()])?;
    let question = Question {
        block_hash: file.block_hash,
        pre_state_root: root,
        mode: Mode::Proof,
        chain_config: Default::default(),
        parent_header_optional: false,
        ancestor_hashes: Default::default(),
    };
    let stopped = |stop: Stop| format!("{stop:?}");
    let bound = binding::bind(&file, &question, keccak, DESCRIPTION.client_name, DESCRIPTION.forks).map_err(stopped)?;
    let ancestry = Ancestry::new(&file, &bound, &question, keccak).map_err(stopped)?;
    let fields = bound.fields;
    let chain = Chain::new(&bound.chain, bound.fork, fields.number, fields.timestamp).map_err(stopped)?;
    let block = Block::decode(&mut file.block())?;

    let root = B256::from(root.0);
    let database = || {
        let never = Arc::new(AtomicBool::new(false));
        let environment = Environment::new(Arc::clone(&file), ancestry, chain.fork, never);
        StateBefore::Proven(WitnessDatabase::new(Arc::clone(&file), root, environment))
    };
    let (mut state, senders) = run::open(database, || run::recover_senders(&block.body.transactions));
    let senders = senders.map_err(|broken| broken.detail)?;
    let executed = run::execute(&block, &senders, &chain, &mut state, None).map_err(|ended| format!("{ended:?}"))?;
    let changes = run::take_changes(&mut state);
    let StateBefore::Proven(database) = &mut state.database else { return Err("the state is not proven".into()) };
    let state_root = post_state::apply(&changes, database)?;
    let receipts_root = calculate_receipt_root(&executed.receipts);
    let requests_hash = executed.requests.requests_hash();
    std::hint::black_box((state_root, receipts_root, requests_hash, receipts::bloom(&executed.receipts)));
    Ok(())
}
