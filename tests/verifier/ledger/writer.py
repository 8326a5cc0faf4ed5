"""A process that fills a ledger until it is ended, and says after every call what is stored. Run as a module.

Arguments: the file, the number to begin with, and "full" to end by itself when there is no room.
"""

import resource
import sys
from pathlib import Path

from verifier.domain.block import BlockReference
from verifier.domain.quorum import Verdict, decide, quorum_policy
from verifier.domain.status import BlockStatus, Concluded, Judged, TrackedBlock, advance
from verifier.domain.vote import Vote, VoteKind
from verifier.ledger.errors import LedgerFullError
from verifier.ledger.sqlite import SqliteLedger

GENESIS = b"\x11" * 32
VOTES = tuple(Vote(name, name, VoteKind.VALID, None) for name in ("geth", "revm", "ethrex"))
DECISION = decide(quorum_policy({vote.adapter: vote.lineage for vote in VOTES}), VOTES)
PUT_TOGETHER = 3
ROOM = 200_000  # bytes that a file may have, in the process that fills it


def block(number: int, place: int) -> TrackedBlock:
    """Block `place` of those that are stored together under `number`."""
    hash_ = number.to_bytes(16, "big") + place.to_bytes(16, "big")
    return TrackedBlock(BlockReference(1, number, hash_), bytes(32), hash_, number)


def main() -> None:
    """Runs until it is ended."""
    path, number = Path(sys.argv[1]), int(sys.argv[2])
    full = sys.argv[3:] == ["full"]
    if full:
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write then fails, as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))
    with SqliteLedger(path, 1, GENESIS) as ledger:
        while True:
            together = [block(number, place) for place in range(PUT_TOGETHER)]
            try:
                ledger.put(*together)
                ledger.record(together[0].block.hash, DECISION, VOTES, float(number))
                ledger.put(*(advance(each, Judged(Verdict.ATTEST, "3 of 3")) for each in together))
                if number % 5 == 0:
                    ledger.put(*(advance(each, Concluded(False, "traces")) for each in together))
            except LedgerFullError as error:
                stored = [each for each in ledger.blocks() if each.status is not BlockStatus.RECEIVED]
                print(f"full {number} {len(stored)} {error}", flush=True)
                return
            print(number, flush=True)
            number += 1


if __name__ == "__main__":
    main()
