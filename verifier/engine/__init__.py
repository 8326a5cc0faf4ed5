"""The engine gate: between the consensus client and the execution client, on the Engine API."""
