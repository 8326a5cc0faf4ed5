"""The sidecar's configuration: `sections` say what there is, `reading` merges where it comes from, `checks` refuse.

A value comes from a flag, else the environment, else the file, else its default. `report` shows which.
"""
