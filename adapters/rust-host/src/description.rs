//! What an adapter is and can do: the answer to Describe.

use serde_json::{Value, json};

use crate::rpc::{DescribeResponse, Mode, Rule};

/// Requests executed at once; more of them only slow each other down on the machines this is made for.
pub const MAX_CONCURRENT_REQUESTS: usize = 2;
const CONTRACT_VERSION: u32 = 1;

/// What differs from one adapter to the next.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    pub client_name: &'static str,
    pub client_version: &'static str,
    pub adapter_version: &'static str,
    pub lineage: &'static str,
    /// In activation order, in the words of adapters/CONTRACT.md.
    pub forks: &'static [&'static str],
    /// Rules that the client cannot check, whatever the block.
    pub unchecked_rules: &'static [Rule],
    pub modes: &'static [Mode],
    /// Whether `Client::trace` is there.
    pub traces: bool,
}

impl From<Description> for DescribeResponse {
    fn from(description: Description) -> Self {
        Self {
            client_name: description.client_name.to_owned(),
            client_version: description.client_version.to_owned(),
            adapter_version: description.adapter_version.to_owned(),
            lineage: description.lineage.to_owned(),
            forks: description.forks.iter().map(|&fork| fork.to_owned()).collect(),
            modes: description.modes.iter().map(|&mode| mode.into()).collect(),
            unchecked_rules: description.unchecked_rules.iter().map(|&rule| rule.into()).collect(),
            max_concurrent_requests: MAX_CONCURRENT_REQUESTS as u32,
            contract_version: CONTRACT_VERSION,
            traces: description.traces,
            uploads: true,
        }
    }
}

/// The same as protobuf-JSON, one line.
pub fn json_line(answer: &DescribeResponse) -> String {
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
        "traces": answer.traces,
        "uploads": answer.uploads,
    });
    document.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_protobuf_json() {
        let description = Description {
            client_name: "client",
            client_version: "1.2.3",
            adapter_version: "0.1.0",
            lineage: "own",
            forks: &["paris", "shanghai"],
            unchecked_rules: &[Rule::ProofOfWork],
            modes: &[Mode::Proof, Mode::Prestate],
            traces: true,
        };
        let line = json_line(&description.into());
        let document: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(document["clientVersion"], "1.2.3");
        assert_eq!(document["forks"], json!(["paris", "shanghai"]));
        assert_eq!(document["modes"], json!(["MODE_PROOF", "MODE_PRESTATE"]));
        assert_eq!(document["traces"], true);
        assert_eq!(document["uncheckedRules"], json!(["RULE_PROOF_OF_WORK"]));
        assert!(!line.contains('\n'));
    }
}
