//! What the host reads of blocks and nodes, against what the client writes and decodes.

use adapter_host::block_bytes::{self, ForkFields};
use adapter_host::node_form;
use adapter_host::rlp::list;
use ethrex_common::U256;
use ethrex_common::types::{Block, BlockHeader};
use ethrex_rlp::decode::RLPDecode;
use ethrex_rlp::encode::RLPEncode;
use ethrex_trie::Node;
use proptest::prelude::*;

/// A branch of two hashes around an embedded leaf.
fn branch() -> Vec<u8> {
    let hash = [vec![0xa0], vec![7; 32]].concat();
    let payload = [hash.clone(), vec![0xc2, 0x31, 0x05], hash, vec![0x80; 14]].concat();
    [vec![0xf8, payload.len() as u8], payload].concat()
}

proptest! {
    #[test]
    fn the_host_reads_headers_that_the_client_encodes(number: u64, timestamp: u64, difficulty: u64) {
        let header = BlockHeader { number, timestamp, difficulty: U256::from(difficulty), ..Default::default() };
        let block = Block { header: header.clone(), ..Default::default() }.encode_to_vec();
        prop_assert_eq!(block_bytes::header(&block).unwrap(), &header.encode_to_vec()[..]);
        let fields = block_bytes::fork_fields(block_bytes::header(&block).unwrap()).unwrap();
        prop_assert_eq!(fields, ForkFields { number, timestamp, has_difficulty: difficulty != 0 });
    }

    #[test]
    fn the_host_splits_what_the_client_encodes(
        strings in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..9)
    ) {
        let values: Vec<bytes::Bytes> = strings.iter().cloned().map(Into::into).collect();
        let encoded = values.encode_to_vec();
        let items: Vec<Vec<u8>> = list(&encoded).unwrap().map(|item| item.unwrap().payload.to_vec()).collect();
        prop_assert_eq!(items, strings);
    }

    // What passes the check is decoded by the client, without a panic, and encoded again to the same bytes.
    #[test]
    fn nodes_that_pass_do_not_trouble_the_client(at in 0usize..80, byte in any::<u8>(), cut in 0usize..4) {
        let mut node = branch();
        let at = at % node.len();
        node[at] = byte;
        node.truncate(node.len() - cut);
        for remaining in [1, 2, 3, 64] {
            if node_form::check(&node, remaining).is_ok() {
                prop_assert_eq!(Node::decode(&node).unwrap().encode_to_vec(), node.clone());
            }
        }
    }

    #[test]
    fn the_client_decodes_whatever_passes(bytes in prop::collection::vec(any::<u8>(), 0..100), remaining in 0usize..65) {
        if node_form::check(&bytes, remaining).is_ok() {
            prop_assert!(Node::decode(&bytes).is_ok());
        }
    }
}
