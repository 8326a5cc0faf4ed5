"""What a block's execution needs, without any client.

`model` names the data, `file` and `store` keep it, `trie` proves and updates it, `formats` translates it.
This package imports nothing else of the project.
"""
