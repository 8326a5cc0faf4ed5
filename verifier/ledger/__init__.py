"""What survives a restart: block statuses, trusted roots, votes, decisions, statements, disputes, rollbacks."""
