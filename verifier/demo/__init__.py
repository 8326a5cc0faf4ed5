"""The demonstration: clients of our own to put the sidecar between, where no real ones are at hand."""
