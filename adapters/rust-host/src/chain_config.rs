//! The chain configuration (geth-genesis `config` JSON) and the fork of a block.

use serde_json::{Map, Value};

use crate::block_bytes::ForkFields;

/// Block-number forks before Paris: name in adapters/CONTRACT.md and key in the configuration, in activation order.
pub const NUMBERED_FORKS: [(&str, &str); 13] = [
    ("homestead", "homesteadBlock"),
    ("dao", "daoForkBlock"),
    ("tangerine_whistle", "eip150Block"),
    ("spurious_dragon", "eip158Block"),
    ("byzantium", "byzantiumBlock"),
    ("constantinople", "constantinopleBlock"),
    ("petersburg", "petersburgBlock"),
    ("istanbul", "istanbulBlock"),
    ("muir_glacier", "muirGlacierBlock"),
    ("berlin", "berlinBlock"),
    ("london", "londonBlock"),
    ("arrow_glacier", "arrowGlacierBlock"),
    ("gray_glacier", "grayGlacierBlock"),
];

/// Timestamp forks, which come after Paris, in activation order.
pub const TIMED_FORKS: [(&str, &str); 10] = [
    ("shanghai", "shanghaiTime"),
    ("cancun", "cancunTime"),
    ("prague", "pragueTime"),
    ("osaka", "osakaTime"),
    ("bpo1", "bpo1Time"),
    ("bpo2", "bpo2Time"),
    ("bpo3", "bpo3Time"),
    ("bpo4", "bpo4Time"),
    ("bpo5", "bpo5Time"),
    ("amsterdam", "amsterdamTime"),
];

/// Keys that end like a fork's and decide none: EIP-155 comes with EIP-158, the netsplit with the merge.
const NO_FORKS: [&str; 2] = ["eip155Block", "mergeNetsplitBlock"];

/// A chain's configuration.
#[derive(Debug, Clone)]
pub struct ChainConfig {
    pub chain_id: u64,
    /// The whole JSON object, for what only the client knows.
    pub document: Map<String, Value>,
}

impl ChainConfig {
    /// Reads the `config` object of a geth genesis. The error is one line.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        let unreadable = |reason: String| format!("the chain config cannot be read: {reason}");
        let document: Map<String, Value> =
            serde_json::from_slice(json).map_err(|error| unreadable(error.to_string()))?;
        let chain_id = document.get("chainId").and_then(Value::as_u64);
        let chain_id = chain_id.ok_or_else(|| unreadable("no chainId, or not a 64-bit number".to_owned()))?;
        let is_point = |value: &Value| value.is_null() || value.as_u64().is_some();
        match document.iter().find(|(key, value)| names_fork(key) && !is_point(value)) {
            Some((key, value)) => Err(unreadable(format!("{key}: {value} is no block number or time"))),
            None => Ok(Self { chain_id, document }),
        }
    }

    /// The fork of a block; Err with the key of an activated fork that is not known here: to execute by older rules
    /// would be wrong without a sign of it.
    pub fn fork(&self, block: &ForkFields) -> Result<&'static str, String> {
        if let Some(key) = self.unknown_active_fork(block) {
            return Err(key.clone());
        }
        let timed = TIMED_FORKS.iter().rev().find(|(_, key)| self.is_active(key, block.timestamp));
        if let Some((name, _)) = timed {
            return Ok(name);
        }
        if self.is_past_merge(block) {
            return Ok("paris");
        }
        let numbered = NUMBERED_FORKS.iter().rev().find(|(_, key)| self.is_active(key, block.number));
        Ok(numbered.map_or("frontier", |(name, _)| name))
    }

    /// The block number or time (seconds) under `key`.
    pub fn point(&self, key: &str) -> Option<u64> {
        self.document.get(key).and_then(Value::as_u64)
    }

    /// Whether the configuration has a value under `key`.
    pub fn has(&self, key: &str) -> bool {
        self.document.get(key).is_some_and(|value| !value.is_null())
    }

    /// Whether the terminal total difficulty is 0: the chain began with proof of stake.
    pub fn is_merged_from_genesis(&self) -> bool {
        match self.document.get("terminalTotalDifficulty") {
            Some(Value::Number(total)) => total.as_u64() == Some(0),
            Some(Value::String(total)) => matches!(total.as_str(), "0" | "0x0"),
            _ => false,
        }
    }

    fn is_active(&self, key: &str, point: u64) -> bool {
        self.point(key).is_some_and(|first| first <= point)
    }

    /// Paris came with total difficulty, not with a number: a chain that has a terminal total difficulty is past it
    /// where a block's difficulty is 0 (EIP-3675), and throughout where that total is 0.
    ///
    /// Other signs count only where there is no such total: configurations of chains that merged long ago say so for
    /// their first blocks, too.
    fn is_past_merge(&self, block: &ForkFields) -> bool {
        if self.has("terminalTotalDifficulty") {
            return self.is_merged_from_genesis() || !block.has_difficulty;
        }
        self.document.get("terminalTotalDifficultyPassed") == Some(&Value::Bool(true))
            || self.is_active("mergeNetsplitBlock", block.number)
    }

    fn unknown_active_fork(&self, block: &ForkFields) -> Option<&String> {
        let is_known = |key: &str| {
            NO_FORKS.contains(&key) || NUMBERED_FORKS.iter().chain(&TIMED_FORKS).any(|(_, known)| *known == key)
        };
        let place = |key: &str| if key.ends_with("Time") { block.timestamp } else { block.number };
        self.document.keys().find(|key| names_fork(key) && !is_known(key) && self.is_active(key, place(key)))
    }
}

fn names_fork(key: &str) -> bool {
    key.ends_with("Time") || key.ends_with("Block")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(json: &str) -> ChainConfig {
        ChainConfig::parse(json.as_bytes()).unwrap()
    }

    fn at(number: u64, timestamp: u64, has_difficulty: bool) -> ForkFields {
        ForkFields { number, timestamp, has_difficulty }
    }

    const MAINNET: &str = r#"{"chainId":1,"homesteadBlock":1150000,"daoForkBlock":1920000,"eip150Block":2463000,
        "eip155Block":2675000,"eip158Block":2675000,"byzantiumBlock":4370000,"constantinopleBlock":7280000,
        "petersburgBlock":7280000,"istanbulBlock":9069000,"muirGlacierBlock":9200000,"berlinBlock":12244000,
        "londonBlock":12965000,"arrowGlacierBlock":13773000,"grayGlacierBlock":15050000,
        "terminalTotalDifficulty":58750000000000000000000,"terminalTotalDifficultyPassed":true,
        "shanghaiTime":1681338455,"cancunTime":1710338135,"pragueTime":1746612311}"#;

    #[test]
    fn every_block_of_mainnet_has_its_fork() {
        let mainnet = chain(MAINNET);
        for (number, fork) in [
            (1, "frontier"),
            (1_149_999, "frontier"),
            (1_150_000, "homestead"),
            (1_920_000, "dao"),
            (2_463_000, "tangerine_whistle"),
            (2_675_000, "spurious_dragon"),
            (4_370_000, "byzantium"),
            (7_280_000, "petersburg"),
            (9_069_000, "istanbul"),
            (9_200_000, "muir_glacier"),
            (12_244_000, "berlin"),
            (12_965_000, "london"),
            (13_773_000, "arrow_glacier"),
            (15_537_393, "gray_glacier"),
        ] {
            assert_eq!(mainnet.fork(&at(number, 1_600_000_000, true)), Ok(fork), "{number}");
        }
        assert_eq!(mainnet.fork(&at(15_537_394, 1_663_224_179, false)), Ok("paris"));
        assert_eq!(mainnet.fork(&at(17_034_870, 1_681_338_455, false)), Ok("shanghai"));
        assert_eq!(mainnet.fork(&at(22_615_247, 1_748_838_359, true)), Ok("prague"));
    }

    #[test]
    fn a_chain_without_a_merge_is_not_paris_even_without_difficulty() {
        assert_eq!(chain(r#"{"chainId":1,"londonBlock":0}"#).fork(&at(1, 1, false)), Ok("london"));
    }

    #[test]
    fn a_chain_merged_from_genesis_is_paris_whatever_a_header_claims() {
        for merged in [
            r#""terminalTotalDifficulty":0"#,
            r#""terminalTotalDifficulty":"0x0""#,
            r#""terminalTotalDifficultyPassed":true"#,
            r#""mergeNetsplitBlock":0"#,
        ] {
            let config = chain(&format!(r#"{{"chainId":1,"londonBlock":0,{merged}}}"#));
            assert_eq!(config.fork(&at(5, 5, true)), Ok("paris"), "{merged}");
        }
    }

    #[test]
    fn of_forks_at_the_same_time_the_last_counts() {
        let config = chain(r#"{"chainId":1,"shanghaiTime":0,"cancunTime":5,"pragueTime":5,"osakaTime":9}"#);
        assert_eq!(config.fork(&at(1, 4, false)), Ok("shanghai"));
        assert_eq!(config.fork(&at(1, 5, false)), Ok("prague"));
        assert_eq!(config.fork(&at(1, 9, false)), Ok("osaka"));
    }

    #[test]
    fn forks_that_are_not_known_are_named_once_active() {
        for key in ["hegotaTime", "bogotaTime", "lstarTime", "verkleTime", "someLaterTime"] {
            let config = chain(&format!(r#"{{"chainId":1,"shanghaiTime":0,"{key}":100}}"#));
            assert_eq!(config.fork(&at(1, 99, false)), Ok("shanghai"));
            assert_eq!(config.fork(&at(1, 100, false)), Err(key.into()));
        }
        let config = chain(r#"{"chainId":1,"londonBlock":0,"laterBlock":7}"#);
        assert_eq!(config.fork(&at(6, 100, true)), Ok("london"));
        assert_eq!(config.fork(&at(7, 100, true)), Err("laterBlock".into()));
    }

    #[test]
    fn refuses_what_is_no_chain_config() {
        let nested = "[".repeat(20_000);
        for json in
            ["", "[]", "{}", r#"{"chainId":"one"}"#, r#"{"chainId":1,"pragueTime":-1}"#, &nested, r#"{"chainId":-1}"#]
        {
            assert!(ChainConfig::parse(json.as_bytes()).is_err(), "{json:.80}");
        }
    }
}
