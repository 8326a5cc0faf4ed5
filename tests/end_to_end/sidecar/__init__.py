"""The real `verifier sidecar` between real or demonstration clients."""
