"""Conformance suites: loaded by `suite` with `loaders`, chosen by `selection`, held against `reasons` and `known`."""
