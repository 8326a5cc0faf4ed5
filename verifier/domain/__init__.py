"""The pure core: what results mean, and what follows from the votes. No clock, no I/O; time is passed in.

`block` and `result` are what is judged, `vote` reads one result against the header, `quorum` decides n of m.
"""
