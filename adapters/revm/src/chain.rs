//! What the chain's configuration says about one block, in the form in which alloy-evm asks for it.

use adapter_host::chain_config::ChainConfig;
use adapter_host::outcome::{Stop, abstain, refuse};
use adapter_host::rpc::AbstentionReason;
use alloy_eips::eip7840::BlobParams;
use alloy_evm::eth::spec::EthExecutorSpec;
use alloy_hardforks::{EthereumHardfork, EthereumHardforks, ForkCondition};
use alloy_primitives::{Address, address};
use serde_json::Value;

use crate::blob_schedule;
use crate::fork::Fork;

/// Deposit contracts of the public networks (EIP-6110), for configurations from before the key was common.
const DEPOSIT_CONTRACTS: [(u64, Address); 4] = [
    (1, address!("0x00000000219ab540356cbb839cbe05303d7705fa")),
    (17_000, address!("0x4242424242424242424242424242424242424242")),
    (560_048, address!("0x00000000219ab540356cbb839cbe05303d7705fa")),
    (11_155_111, address!("0x7f02c3e3c98b133055b8b348b2ac625669ed295d")),
];

/// The rules of one block. The client asks by fork and by the block's own number and time only, so a fork is either
/// active or not: activation points are left out.
#[derive(Clone, Debug)]
pub struct Chain {
    pub id: u64,
    pub fork: Fork,
    /// From Cancun on.
    pub blobs: Option<BlobParams>,
    pub deposit_contract: Option<Address>,
    /// Whether the chain began with proof of stake, so that no total difficulty had to be reached (EIP-3675).
    pub is_merged_from_genesis: bool,
    /// Whether the difficulty bomb is delayed as Muir Glacier did (EIP-2384).
    pub has_muir_glacier: bool,
}

impl Chain {
    /// fork: the block's, by `config`; number, timestamp (seconds): the block's own.
    pub fn new(config: &ChainConfig, fork: &str, number: u64, timestamp: u64) -> Result<Self, Stop> {
        let Some(fork) = Fork::from_name(fork) else {
            return Err(abstain(AbstentionReason::UnsupportedFork, format!("revm does not execute {fork} blocks")));
        };
        if config.has("clique") && fork < Fork::Paris {
            let detail = "revm does not execute blocks of clique (proof of authority)";
            return Err(abstain(AbstentionReason::UnsupportedFork, detail));
        }
        Ok(Self {
            id: config.chain_id,
            fork,
            blobs: blob_schedule::at(config, fork, timestamp).map_err(refuse)?,
            deposit_contract: deposit_contract(config)?,
            is_merged_from_genesis: config.is_merged_from_genesis(),
            has_muir_glacier: config.point("muirGlacierBlock").is_some_and(|first| first <= number),
        })
    }
}

fn deposit_contract(config: &ChainConfig) -> Result<Option<Address>, Stop> {
    match config.document.get("depositContractAddress") {
        None | Some(Value::Null) => {
            let known = DEPOSIT_CONTRACTS.iter().find(|(chain, _)| *chain == config.chain_id);
            Ok(known.map(|(_, address)| *address))
        }
        Some(value) => match value.as_str().and_then(|text| text.parse().ok()) {
            Some(address) => Ok(Some(address)),
            None => Err(refuse(format!("depositContractAddress of the chain config is no address: {value}"))),
        },
    }
}

impl EthereumHardforks for Chain {
    fn ethereum_fork_activation(&self, fork: EthereumHardfork) -> ForkCondition {
        use EthereumHardfork as Known;
        let (first, is_timed) = match fork {
            Known::Frontier | Known::Homestead | Known::Tangerine | Known::SpuriousDragon | Known::Byzantium => {
                (Fork::Byzantium, false)
            }
            Known::Constantinople | Known::Petersburg => (Fork::Petersburg, false),
            Known::Istanbul => (Fork::Istanbul, false),
            Known::MuirGlacier => (Fork::MuirGlacier, false),
            Known::Berlin => (Fork::Berlin, false),
            Known::London => (Fork::London, false),
            Known::ArrowGlacier => (Fork::ArrowGlacier, false),
            Known::GrayGlacier => (Fork::GrayGlacier, false),
            Known::Paris => (Fork::Paris, false),
            Known::Shanghai => (Fork::Shanghai, true),
            Known::Cancun => (Fork::Cancun, true),
            Known::Prague => (Fork::Prague, true),
            Known::Osaka => (Fork::Osaka, true),
            Known::Bpo1 => (Fork::Bpo1, true),
            Known::Bpo2 => (Fork::Bpo2, true),
            Known::Bpo3 => (Fork::Bpo3, true),
            Known::Bpo4 => (Fork::Bpo4, true),
            Known::Bpo5 => (Fork::Bpo5, true),
            // The DAO's drain happens in one block only, before Byzantium; the others are not executed here.
            _ => return ForkCondition::Never,
        };
        match (self.fork >= first, is_timed) {
            (false, _) => ForkCondition::Never,
            (true, false) => ForkCondition::ZERO_BLOCK,
            (true, true) => ForkCondition::ZERO_TIMESTAMP,
        }
    }
}

impl EthExecutorSpec for Chain {
    fn deposit_contract_address(&self) -> Option<Address> {
        self.deposit_contract
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(json: &str, fork: &str) -> Result<Chain, Stop> {
        Chain::new(&ChainConfig::parse(json.as_bytes()).unwrap(), fork, 5, 5)
    }

    #[test]
    fn forks_are_active_up_to_the_blocks_own() {
        let london = chain(r#"{"chainId":7}"#, "london").unwrap();
        assert!(london.is_london_active_at_block(5) && london.is_petersburg_active_at_block(5));
        assert!(!london.is_paris_active_at_block(5) && !london.is_shanghai_active_at_timestamp(5));
        assert!(!london.ethereum_fork_activation(EthereumHardfork::Dao).transitions_at_block(0));
        let osaka = chain(r#"{"chainId":7,"cancunTime":0}"#, "osaka").unwrap();
        assert!(osaka.is_osaka_active_at_timestamp(5) && osaka.is_paris_active_at_block(5));
        assert!(!osaka.is_amsterdam_active_at_timestamp(u64::MAX));
    }

    #[test]
    fn the_deposit_contract_is_the_configured_or_the_networks() {
        let address = |json| chain(json, "prague").unwrap().deposit_contract;
        assert_eq!(address(r#"{"chainId":7}"#), None);
        assert_eq!(address(r#"{"chainId":1,"depositContractAddress":null}"#), Some(DEPOSIT_CONTRACTS[0].1));
        let own = r#"{"chainId":1,"depositContractAddress":"0x1111111111111111111111111111111111111111"}"#;
        assert_eq!(address(own), Some(Address::repeat_byte(0x11)));
        assert!(chain(r#"{"chainId":1,"depositContractAddress":"0x11"}"#, "prague").is_err());
    }

    #[test]
    fn proof_of_authority_is_not_executed() {
        let json = r#"{"chainId":7,"clique":{"period":1},"terminalTotalDifficulty":9}"#;
        assert!(matches!(chain(json, "london"), Err(Stop::Abstain(_))));
        assert!(chain(json, "paris").is_ok());
    }
}
