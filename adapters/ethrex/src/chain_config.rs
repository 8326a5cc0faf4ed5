//! The chain configuration (geth-genesis `config` JSON) and the fork of a block.

use ethrex_common::types::{ChainConfig, Fork};
use serde_json::{Map, Value};

/// Block-number forks before Paris: name in adapters/CONTRACT.md and key in the configuration, latest first.
const NUMBERED_FORKS: [(&str, &str); 13] = [
    ("gray_glacier", "grayGlacierBlock"),
    ("arrow_glacier", "arrowGlacierBlock"),
    ("london", "londonBlock"),
    ("berlin", "berlinBlock"),
    ("muir_glacier", "muirGlacierBlock"),
    ("istanbul", "istanbulBlock"),
    ("petersburg", "petersburgBlock"),
    ("constantinople", "constantinopleBlock"),
    ("byzantium", "byzantiumBlock"),
    ("spurious_dragon", "eip158Block"),
    ("tangerine_whistle", "eip150Block"),
    ("dao", "daoForkBlock"),
    ("homestead", "homesteadBlock"),
];

/// Timestamp forks that this adapter executes, besides Paris, in activation order.
const TIMED_FORKS: [(&str, &str, Fork); 10] = [
    ("shanghai", "shanghaiTime", Fork::Shanghai),
    ("cancun", "cancunTime", Fork::Cancun),
    ("prague", "pragueTime", Fork::Prague),
    ("osaka", "osakaTime", Fork::Osaka),
    ("bpo1", "bpo1Time", Fork::BPO1),
    ("bpo2", "bpo2Time", Fork::BPO2),
    ("bpo3", "bpo3Time", Fork::BPO3),
    ("bpo4", "bpo4Time", Fork::BPO4),
    ("bpo5", "bpo5Time", Fork::BPO5),
    ("amsterdam", "amsterdamTime", Fork::Amsterdam),
];

/// The forks that this adapter executes, in activation order, in the words of adapters/CONTRACT.md.
pub fn forks() -> impl Iterator<Item = &'static str> {
    ["paris"].into_iter().chain(TIMED_FORKS.iter().map(|(name, ..)| *name))
}

/// The client's configuration, and what it does not keep of the document.
#[derive(Debug, Clone)]
pub struct Chain {
    pub config: ChainConfig,
    /// The client's type demands the address; other clients do without it until a deposit is made.
    pub names_deposit_contract: bool,
    document: Map<String, Value>,
}

impl Chain {
    /// Reads the `config` object of a geth genesis. The error is one line.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        let unreadable = |error: serde_json::Error| format!("the chain config cannot be read: {error}");
        let document: Map<String, Value> = serde_json::from_slice(json).map_err(unreadable)?;
        let mut known = document.clone();
        // Larger than 64 bits on mainnet, where it is a JSON number; the client does not need it to execute.
        known.remove("terminalTotalDifficulty");
        let names_deposit_contract = document.get("depositContractAddress").is_some_and(|address| !address.is_null());
        if !names_deposit_contract {
            known.insert("depositContractAddress".into(), format!("{:#x}", ethrex_common::Address::zero()).into());
        }
        let config = serde_json::from_value(Value::Object(known)).map_err(unreadable)?;
        Ok(Self { config, names_deposit_contract, document })
    }

    /// The fork of a block; Err with the name of a fork that this adapter does not execute.
    ///
    /// Paris came with total difficulty, not with a number: a chain that has a terminal total difficulty is past it
    /// where a block's difficulty is 0 (EIP-3675), or throughout where the configuration says so.
    pub fn fork(&self, number: u64, timestamp: u64, has_difficulty: bool) -> Result<&'static str, String> {
        if let Some(key) = self.unknown_active_fork(timestamp) {
            return Err(key.clone());
        }
        let fork = self.config.fork(timestamp);
        if let Some((name, ..)) = TIMED_FORKS.iter().find(|(_, _, timed)| *timed == fork) {
            return Ok(name);
        }
        if self.is_past_merge(number) || (self.document_has("terminalTotalDifficulty") && !has_difficulty) {
            return Ok("paris");
        }
        let active = |key: &str| self.document.get(key).and_then(Value::as_u64).is_some_and(|first| first <= number);
        let name = NUMBERED_FORKS.iter().find(|(_, key)| active(key)).map_or("frontier", |(name, _)| name);
        Err(name.to_owned())
    }

    fn is_past_merge(&self, number: u64) -> bool {
        let merged_from_genesis = match self.document.get("terminalTotalDifficulty") {
            Some(Value::Number(total)) => total.as_u64() == Some(0),
            Some(Value::String(total)) => matches!(total.as_str(), "0" | "0x0"),
            _ => false,
        };
        merged_from_genesis
            || self.config.terminal_total_difficulty_passed
            || self.config.merge_netsplit_block.is_some_and(|first| first <= number)
    }

    fn document_has(&self, key: &str) -> bool {
        self.document.get(key).is_some_and(|value| !value.is_null())
    }

    /// The key of an activated fork that is none of ours: to execute by older rules would be wrong without a sign of it.
    fn unknown_active_fork(&self, timestamp: u64) -> Option<&String> {
        self.document
            .iter()
            .filter(|(key, _)| key.ends_with("Time") && TIMED_FORKS.iter().all(|(_, known, _)| known != key))
            .find(|(_, value)| value.as_u64().is_some_and(|first| first <= timestamp))
            .map(|(key, _)| key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(json: &str) -> Chain {
        Chain::parse(json.as_bytes()).unwrap()
    }

    const MAINNET: &str = r#"{"chainId":1,"homesteadBlock":1150000,"daoForkBlock":1920000,"londonBlock":12965000,
        "grayGlacierBlock":15050000,"terminalTotalDifficulty":58750000000000000000000,"shanghaiTime":1681338455,
        "cancunTime":1710338135,"pragueTime":1746612311,"depositContractAddress":"0x00000000219ab540356cbb839cbe05303d7705fa"}"#;

    #[test]
    fn paris_is_told_by_difficulty_where_a_terminal_total_difficulty_is_configured() {
        let mainnet = chain(MAINNET);
        assert_eq!(mainnet.fork(15_537_393, 1_663_224_162, true), Err("gray_glacier".into()));
        assert_eq!(mainnet.fork(15_537_394, 1_663_224_179, false), Ok("paris"));
        assert_eq!(mainnet.fork(1, 1_438_269_988, true), Err("frontier".into()));
        assert_eq!(mainnet.fork(17_034_870, 1_681_338_455, false), Ok("shanghai"));
        assert_eq!(mainnet.fork(22_615_247, 1_748_838_359, false), Ok("prague"));
        assert!(mainnet.names_deposit_contract);
    }

    #[test]
    fn a_chain_without_a_merge_is_not_paris_even_without_difficulty() {
        assert_eq!(chain(r#"{"chainId":1,"londonBlock":0}"#).fork(1, 1, false), Err("london".into()));
    }

    #[test]
    fn a_chain_merged_from_genesis_is_paris_whatever_a_header_claims() {
        for merged in
            [r#""terminalTotalDifficulty":0"#, r#""terminalTotalDifficultyPassed":true"#, r#""mergeNetsplitBlock":0"#]
        {
            let config = chain(&format!(r#"{{"chainId":1,"londonBlock":0,{merged}}}"#));
            assert_eq!(config.fork(5, 5, true), Ok("paris"), "{merged}");
        }
    }

    #[test]
    fn forks_that_are_not_ours_are_named_once_active() {
        for key in ["hegotaTime", "bogotaTime", "lstarTime", "verkleTime", "someLaterTime"] {
            let config = chain(&format!(r#"{{"chainId":1,"shanghaiTime":0,"{key}":100}}"#));
            assert_eq!(config.fork(1, 99, false), Ok("shanghai"));
            assert_eq!(config.fork(1, 100, false), Err(key.into()));
        }
    }

    #[test]
    fn refuses_what_is_no_chain_config() {
        for json in ["", "[]", "{}", r#"{"chainId":"one"}"#, r#"{"chainId":1,"pragueTime":-1}"#] {
            assert!(Chain::parse(json.as_bytes()).is_err(), "{json}");
        }
    }

    #[test]
    fn does_without_a_deposit_contract_and_says_so() {
        assert!(!chain(r#"{"chainId":1}"#).names_deposit_contract);
        assert!(!chain(r#"{"chainId":1,"depositContractAddress":null}"#).names_deposit_contract);
    }
}
