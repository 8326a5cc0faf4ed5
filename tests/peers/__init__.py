"""Real peers for end-to-end tests: geth as execution client, Lodestar as beacon node and validator client.

`geth-node/` and `lodestar/` pin what `make peers` builds and installs; `geth_node`, `mutated_geth` and `lodestar` run
it; `process` ends it. All of it serves tests alone and is no part of the package.
"""
