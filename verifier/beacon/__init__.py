"""The attestation gate: between the validator client and the beacon node, on the Beacon API."""
