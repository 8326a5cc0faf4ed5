//! The parent's header, as the client wants it.

use adapter_host::ancestry::Ancestry;
use adapter_host::missing::Missing;
use adapter_host::outcome::{Stop, refuse};
use adapter_host::rpc::Rule;
use adapter_host::witness_file::WitnessFile;
use ethrex_common::H256;
use ethrex_common::types::{BlockHeader, ChainConfig};
use ethrex_rlp::decode::RLPDecode;

use crate::rules;

/// The parent's header, and the rules that it leaves unchecked: those that need it, where it is made up.
pub fn parent(
    header: &BlockHeader,
    file: &WitnessFile,
    ancestry: &Ancestry,
    config: &ChainConfig,
) -> Result<(BlockHeader, Vec<Rule>), Stop> {
    let Some(place) = &ancestry.parent else {
        let missing = || Missing::Parent { hash: ancestry.parent_hash, number: header.number - 1 };
        let stand_in = rules::stand_in_parent(header, config).ok_or_else(|| Stop::from(missing()))?;
        return Ok((stand_in, rules::RULES_OF_PARENT.to_vec()));
    };
    let parent = BlockHeader::decode(&file.bytes()[place.clone()])
        .map_err(|error| refuse(format!("the parent's header cannot be decoded: {error}")))?;
    if parent.number == u64::MAX {
        return Err(refuse("the parent's number is the last of 64 bits: the client's check would take 0 for the next"));
    }
    // The client would hash what it encodes again; the hash of the very bytes is what the block names.
    let _ = parent.hash.set(H256(ancestry.parent_hash.0));
    Ok((parent, Vec::new()))
}
