//! What this adapter is and can do: the answer to Describe.

use serde_json::{Value, json};

use crate::chain_config;
use crate::rpc::{DescribeResponse, Mode, Rule};

/// Requests executed at once; more of them only slow each other down on the machines this is made for.
pub const MAX_CONCURRENT_REQUESTS: usize = 2;
const CONTRACT_VERSION: u32 = 1;

pub fn describe() -> DescribeResponse {
    DescribeResponse {
        client_name: "ethrex".to_owned(),
        client_version: env!("ETHREX_VERSION").to_owned(),
        adapter_version: env!("CARGO_PKG_VERSION").to_owned(),
        lineage: "ethrex".to_owned(),
        forks: chain_config::forks().map(str::to_owned).collect(),
        modes: vec![Mode::Proof.into()],
        unchecked_rules: vec![Rule::ProofOfWork.into()],
        max_concurrent_requests: MAX_CONCURRENT_REQUESTS as u32,
        contract_version: CONTRACT_VERSION,
    }
}

/// The same as protobuf-JSON, one line.
pub fn json_line() -> String {
    let answer = describe();
    let document: Value = json!({
        "clientName": answer.client_name,
        "clientVersion": answer.client_version,
        "adapterVersion": answer.adapter_version,
        "lineage": answer.lineage,
        "forks": answer.forks,
        "modes": answer.modes().map(|mode| mode.as_str_name()).collect::<Vec<_>>(),
        "uncheckedRules": answer.unchecked_rules().map(|rule| rule.as_str_name()).collect::<Vec<_>>(),
        "maxConcurrentRequests": answer.max_concurrent_requests,
        "contractVersion": answer.contract_version,
    });
    document.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_client_forks_and_modes() {
        let document: Value = serde_json::from_str(&json_line()).unwrap();
        assert_eq!(document["clientVersion"], "31.0.0");
        assert_eq!(document["modes"], json!(["MODE_PROOF"]));
        assert_eq!(document["uncheckedRules"], json!(["RULE_PROOF_OF_WORK"]));
        assert_eq!(document["forks"][0], "paris");
        assert_eq!(document["forks"].as_array().unwrap().last().unwrap(), "amsterdam");
        assert!(!json_line().contains('\n'));
    }
}
