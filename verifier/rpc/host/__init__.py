"""What every adapter in Python shares: one client becomes a process that keeps adapters/CONTRACT.md.

`client` is the seam (a Protocol; `fake` is its test double), `task` opens and binds a request, `responses` builds
answers, `post_state` what they say of accounts, `tracer` gathers what a traced client does, `worker` runs one client in
a process of its own, `job` is a request on the way to one, `pool` keeps the workers, `server` speaks gRPC, `command`
is the command line. An adapter's `__main__` calls `command.main`.
"""
