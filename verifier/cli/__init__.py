"""The command line: `main` is the entry, one module a command, `output` how it looks."""
