"""`python -m adapters.eels --socket PATH | --describe | --bench FILE`."""

import sys

from verifier.rpc.host.command import main

from .description import ADAPTER

sys.exit(main(ADAPTER))
