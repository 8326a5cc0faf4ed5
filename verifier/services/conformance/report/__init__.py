"""Reports of a conformance run: in the terminal, for CI servers (JUnit), for programs (JSON), and one HTML page.

`writing` is the entry point and goes once over the tests; `outcome` says how each client did in a test, `tally` counts;
`terminal`, `junit`, `summary` and `page` each make one report of it; `facts` is what the run was.
"""
