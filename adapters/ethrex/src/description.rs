//! What this adapter is.

use adapter_host::description::Description;
use adapter_host::rpc::{Mode, Rule};

use crate::chain_config;

pub const DESCRIPTION: Description = Description {
    client_name: "ethrex",
    client_version: env!("CLIENT_VERSION"),
    adapter_version: env!("CARGO_PKG_VERSION"),
    lineage: "ethrex",
    forks: &chain_config::FORKS,
    unchecked_rules: &[Rule::ProofOfWork],
    modes: &[Mode::Proof, Mode::Prestate],
    traces: true,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_client_and_forks() {
        assert_eq!(DESCRIPTION.client_version, "31.0.0");
        assert_eq!((DESCRIPTION.forks.first(), DESCRIPTION.forks.last()), (Some(&"paris"), Some(&"amsterdam")));
    }
}
