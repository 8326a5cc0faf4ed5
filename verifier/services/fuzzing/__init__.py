"""Generated blocks: `generation` makes drafts, `construction` blocks of them, `campaign` has all clients execute them.

A draft holds plain values alone: the same seed gives the same block, byte for byte, and what differs can be made
smaller (`minimising`). What is kept, and how a campaign goes on after an interruption: `state`.
"""
