"""What `verifier doctor` examines before the sidecar is relied on: each module a subject, each check one finding.

It asks and looks; it changes nothing, and starts nothing but adapters that describe themselves.
"""
