"""What drives the executors and the core over many blocks: `recording`, `sources`, `replay`, `conformance`."""
