"""The adapters, as the verifier sees them.

`base` is the seam, `manifest` reads adapter.toml, `build` builds, `process` keeps one adapter running, `client` speaks
gRPC to it (`messages` translates), `pool` asks all of them about one block.
"""
