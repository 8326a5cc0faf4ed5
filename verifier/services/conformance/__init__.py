"""Conformance suites: loaded by `suite` with `loaders`, chosen by `selection`, held against `reasons` and `known`.

A run is cut into pieces by `batch` and spread by `distribution` over workers, in each of which a `workbench` has
`recorders` and clients (`clients`) for `examination`; `journal` keeps what they find, and `report` tells it.
"""
