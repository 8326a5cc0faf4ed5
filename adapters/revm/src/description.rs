//! What this adapter is.

use adapter_host::description::Description;
use adapter_host::rpc::{Mode, Rule};

use crate::fork;

pub const DESCRIPTION: Description = Description {
    client_name: "revm",
    client_version: env!("CLIENT_VERSION"),
    adapter_version: env!("CARGO_PKG_VERSION"),
    lineage: "revm",
    forks: &fork::NAMES,
    unchecked_rules: &[Rule::ProofOfWork],
    modes: &[Mode::Proof, Mode::Prestate],
    traces: true,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_client_and_forks() {
        assert_eq!(DESCRIPTION.client_version, "43.0.3");
        assert_eq!((DESCRIPTION.forks.first(), DESCRIPTION.forks.last()), (Some(&"byzantium"), Some(&"bpo5")));
    }
}
