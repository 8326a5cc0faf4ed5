"""Being watched: logs, metrics, spans and the status page, all fed from verifier.domain.event."""
