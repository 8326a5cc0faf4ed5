//! The client's chain configuration, out of the one that decides the fork.

use adapter_host::chain_config::ChainConfig;
use ethrex_common::types::ChainConfig as ClientConfig;
use serde_json::Value;

/// The forks that this adapter executes, in activation order, in the words of adapters/CONTRACT.md.
pub const FORKS: [&str; 11] =
    ["paris", "shanghai", "cancun", "prague", "osaka", "bpo1", "bpo2", "bpo3", "bpo4", "bpo5", "amsterdam"];

/// The client's configuration, and what it does not keep of the document.
#[derive(Debug, Clone)]
pub struct Chain {
    pub config: ClientConfig,
    /// The client's type demands the address; other clients do without it until a deposit is made.
    pub names_deposit_contract: bool,
}

impl Chain {
    /// The error is one line.
    pub fn new(chain: ChainConfig) -> Result<Self, String> {
        let names_deposit_contract = chain.has("depositContractAddress");
        let mut known = chain.document;
        // Larger than 64 bits on mainnet, where it is a JSON number; the client does not need it to execute.
        known.remove("terminalTotalDifficulty");
        if !names_deposit_contract {
            known.insert("depositContractAddress".into(), format!("{:#x}", ethrex_common::Address::zero()).into());
        }
        let config = serde_json::from_value(Value::Object(known))
            .map_err(|error| format!("the chain config cannot be read: {error}"))?;
        Ok(Self { config, names_deposit_contract })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(json: &str) -> Result<Chain, String> {
        Chain::new(ChainConfig::parse(json.as_bytes())?)
    }

    #[test]
    fn a_total_difficulty_beyond_64_bits_is_no_obstacle() {
        let mainnet = r#"{"chainId":1,"terminalTotalDifficulty":58750000000000000000000,"shanghaiTime":1681338455,
            "depositContractAddress":"0x00000000219ab540356cbb839cbe05303d7705fa"}"#;
        let chain = chain(mainnet).unwrap();
        assert!(chain.names_deposit_contract && chain.config.is_shanghai_activated(1_681_338_455));
    }

    #[test]
    fn refuses_what_the_client_cannot_read() {
        for json in ["", "{}", r#"{"chainId":1,"pragueTime":-1}"#, r#"{"chainId":1,"depositContractAddress":5}"#] {
            assert!(chain(json).is_err(), "{json}");
        }
    }

    #[test]
    fn does_without_a_deposit_contract_and_says_so() {
        assert!(!chain(r#"{"chainId":1}"#).unwrap().names_deposit_contract);
        assert!(!chain(r#"{"chainId":1,"depositContractAddress":null}"#).unwrap().names_deposit_contract);
    }
}
