"""The sidecar as a process between real clients, and what gets through it when something goes wrong."""
