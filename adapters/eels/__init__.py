"""The eels adapter: the executable specification executes a block from its witness. README.md says what it checks."""
