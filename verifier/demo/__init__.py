"""A private chain on this machine, driven by a small consensus of our own: for `verifier demo` and for tests."""
