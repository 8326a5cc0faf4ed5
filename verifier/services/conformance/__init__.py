"""Conformance suites: `loaders` read their fixtures."""
