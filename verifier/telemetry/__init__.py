"""Being watched: logs, metrics, spans and the status page, all fed from verifier.domain.event.

Every `Observer` here is constructed by verifier.app and added to one `observers.Observers`.
"""
