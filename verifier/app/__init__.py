"""The composition root: where the parts are found and put together. Nothing else constructs them.

`adapters` finds adapters, `voters` says who counts, `sidecar` composes the two gates.
"""

from .adapters import adapters_directory, bundled_chain, configured_adapters, selected_adapters

__all__ = ["adapters_directory", "bundled_chain", "configured_adapters", "selected_adapters"]
