"""Those who execute: `stateful` has the state and records the witness, `stateless` has only the witness."""
