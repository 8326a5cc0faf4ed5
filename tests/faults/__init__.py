"""Clients that are wrong, each in one way: what the verifier makes of them. Never shipped, never configured."""
