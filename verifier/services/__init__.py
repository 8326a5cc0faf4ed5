"""What drives executors and core over many blocks: `recording`, `sources`, `replay`, `conformance`, `contract`."""
