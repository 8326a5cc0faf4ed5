//! `--bench`: the client by its own shortest way, without this adapter's checks and without gRPC.
//!
//! It is the yardstick for the adapter's own times: the client's stock path from a witness to its roots.

use std::error::Error;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use adapter_host::chain_config::ChainConfig;
use adapter_host::witness_file::WitnessFile;
use bytes::Bytes;
use ethrex_common::H256;
use ethrex_common::types::block_execution_witness::{
    GuestProgramState, RpcExecutionWitness, decode_witness_headers, validate_witness_headers_chain,
};
use ethrex_common::types::requests::{EncodedRequests, compute_requests_hash};
use ethrex_common::types::{Block, GLOBAL_SIGNER_CACHE, compute_receipts_root_and_logs_bloom};
use ethrex_crypto::NativeCrypto;
use ethrex_rlp::decode::RLPDecode;
use ethrex_vm::{Evm, GuestProgramStateWrapper};

use crate::chain_config::Chain;

/// Executes a witness file once, by the client's stock path.
pub fn shortest_way(path: &Path) -> Result<(), Box<dyn Error>> {
    // A process-wide cache of recovered senders would make every run but the first cheaper.
    GLOBAL_SIGNER_CACHE.lock().unwrap_or_else(PoisonError::into_inner).clear();
    execute(path).map(|roots| {
        std::hint::black_box(roots);
    })
}

/// State root and receipts root by the client's stock path.
fn execute(path: &Path) -> Result<(H256, H256), Box<dyn Error>> {
    let file = WitnessFile::open(path).map_err(|damage| damage.0)?;
    let chain = Chain::new(ChainConfig::parse(file.chain_config())?)?;
    let block = Block::decode(file.block())?;
    let bytes = file.bytes();
    let copied = |places: &[std::ops::Range<usize>]| -> Vec<Bytes> {
        places.iter().map(|place| Bytes::copy_from_slice(&bytes[place.clone()])).collect()
    };
    let witness = RpcExecutionWitness {
        state: copied(&file.nodes),
        keys: Vec::new(),
        codes: copied(&file.codes),
        headers: copied(&file.headers),
    };
    let headers = decode_witness_headers(&witness.headers)?;
    validate_witness_headers_chain(&headers, &NativeCrypto)?;
    let witness = witness.into_execution_witness(chain.config, block.header.number, &headers, &NativeCrypto)?;
    let state = GuestProgramState::from_witness(witness, &NativeCrypto)?;
    let mut database = GuestProgramStateWrapper::new(state, Arc::new(NativeCrypto));
    database.initialize_block_header_hashes(std::slice::from_ref(&block))?;

    let mut evm = Evm::new_for_l1(database.clone(), Arc::new(NativeCrypto));
    let (result, _) = evm.execute_block(&block)?;
    database.apply_account_updates(&evm.get_state_transitions()?)?;
    let state_root = database.state_trie_root()?;
    let (receipts_root, _) = compute_receipts_root_and_logs_bloom(&result.receipts, &NativeCrypto);
    let requests: Vec<EncodedRequests> = result.requests.iter().map(|requests| requests.encode()).collect();
    std::hint::black_box(compute_requests_hash(&requests));
    Ok((state_root, receipts_root))
}
