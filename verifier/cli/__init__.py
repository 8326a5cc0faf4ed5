"""The command line: `main` is the entry, one module a command, `output` how it looks."""

import os

# gRPC's core would write its own lines about every adapter that ends or refuses us; what follows from that is in our
# own. It reads this when it is first imported.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
