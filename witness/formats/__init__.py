"""Other programs' forms of a block with its witness, and back. `load` reads any of them.

`loading` finds out what a file is; `geth_rlp`, `rpc_json`, `zkpig_json` and `block_json` are the forms, `rpc_header`
and `rpc_block` the objects in them; `assembly` makes one block with its witness of the parts, and says what is only
claimed.
"""

from .loading import BLOCK_SUFFIX, FORMATS, IMPORTABLE_SUFFIXES, MAX_DOCUMENT, detect, load

__all__ = ["BLOCK_SUFFIX", "FORMATS", "IMPORTABLE_SUFFIXES", "MAX_DOCUMENT", "detect", "load"]
