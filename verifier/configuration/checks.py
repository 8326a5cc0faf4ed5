"""What no configuration may say: values that are each of the right kind and cannot be meant together."""

from collections.abc import Iterator

from .sections import Configuration, WitnessSource

# Consensus clients give newPayload up after 8 s (Engine API, paris to prague, `timeout: 8s`).
NEW_PAYLOAD_TIMEOUT = 8.0
# Ethereum's slot where the chain's is not configured. A request that is held longer attests to the next slot's head.
DEFAULT_SLOT = 12.0  # seconds

Contradiction = tuple[str, str, str]


def contradictions(values: Configuration) -> Iterator[Contradiction]:
    """(section, key, reason) of everything that cannot be, the plainest first."""
    yield from _gates(values)
    yield from _addresses(values)
    yield from _adapters(values)
    yield from _disputes(values)
    yield from _chain(values)
    yield from _storage(values)


def _gates(values: Configuration) -> Iterator[Contradiction]:
    execution, engine, beacon = values.execution, values.engine, values.beacon
    if not engine.enabled and not beacon.enabled:
        yield "engine", "enabled", "both gates are off: there is nothing to do"
    if engine.hold_seconds >= NEW_PAYLOAD_TIMEOUT:
        yield (
            "engine",
            "hold_seconds",
            f"{engine.hold_seconds:g} s is not below the {NEW_PAYLOAD_TIMEOUT:g} s after which consensus clients give"
            " newPayload up",
        )
    slot = float(values.chain.seconds_per_slot or DEFAULT_SLOT)
    if beacon.hold_seconds >= slot:
        yield "beacon", "hold_seconds", f"{beacon.hold_seconds:g} s is not below a slot of {slot:g} s"
    if engine.enabled and engine.jwt_secret_file is None:
        yield "engine", "jwt_secret_file", "is missing: the secret that the consensus client is given"
    if engine.enabled and execution.jwt_secret_file is None:
        yield "execution", "jwt_secret_file", "is missing: the secret that the execution client was started with"
    if execution.lineage is None:
        yield (
            "execution",
            "lineage",
            "is missing: its vote counts for one (geth; revm for reth; ethrex; else the client's own name)",
        )
    if not engine.enabled and execution.rpc_url is None:
        yield "execution", "rpc_url", "is missing: without the engine gate blocks are fetched by it"
    if execution.witness is WitnessSource.DEBUG and execution.rpc_url is None:
        yield "execution", "rpc_url", 'is missing: witness = "debug" asks it for debug_executionWitness'
    if execution.witness is WitnessSource.EMBEDDED and values.chain.genesis is None:
        yield "chain", "genesis", 'is missing: witness = "embedded" executes every block since then'


def _addresses(values: Configuration) -> Iterator[Contradiction]:
    telemetry = values.telemetry
    listening = {
        ("engine", "listen"): (values.engine.listen if values.engine.enabled else None, values.engine.allow_remote),
        ("beacon", "listen"): (values.beacon.listen if values.beacon.enabled else None, values.beacon.allow_remote),
        ("telemetry", "listen"): (telemetry.listen, telemetry.allow_remote),
    }
    ports: dict[int, str] = {}
    for (section, name), (address, allowed) in listening.items():
        if address is None:
            continue
        if not address.loopback and not allowed:
            yield (
                section,
                name,
                f"{address} can be reached by other machines; [{section}] allow_remote = true permits it",
            )
        if address.port and address.port in ports:
            yield section, name, f"port {address.port} is that of {ports[address.port]} already"
        ports[address.port] = f"[{section}] {name}"


def _adapters(values: Configuration) -> Iterator[Contradiction]:
    adapters = values.adapters
    if not adapters.live:
        yield "adapters", "live", "is empty: nobody but the execution client would vote"
    both = sorted(set(adapters.live) & set(adapters.late))
    if both:
        yield "adapters", "late", f"{', '.join(both)} is live already"
    if adapters.deadline_seconds <= 0:
        yield "adapters", "deadline_seconds", "is 0: no adapter could answer"
    for section_name, value in (("required", values.quorum.required), ("rejecting", values.quorum.rejecting)):
        if value == 0:
            yield "quorum", section_name, "is 0: nobody would have to say so"
    if values.execution.name in (*adapters.live, *adapters.late):
        yield "execution", "name", f"{values.execution.name} is an adapter's name too"


def _disputes(values: Configuration) -> Iterator[Contradiction]:
    disputes, storage = values.disputes, values.storage
    for name in ("valid", "invalid"):
        if getattr(disputes, name) == 0:
            yield "disputes", name, "is 0: nobody would have to say so"
    if disputes.deadline_seconds <= values.adapters.deadline_seconds:
        yield (
            "disputes",
            "deadline_seconds",
            f"{disputes.deadline_seconds:g} s is not above the adapters' {values.adapters.deadline_seconds:g} s",
        )
    if disputes.statements_hours == 0:
        yield "disputes", "statements_hours", "is 0: no adapter could be held to its word"
    if disputes.evidence in (storage.witnesses, storage.archive, storage.embedded):
        yield "disputes", "evidence", "is another store's directory, whose files are removed"


def _chain(values: Configuration) -> Iterator[Contradiction]:
    for name in ("seconds_per_slot", "slots_per_epoch"):
        if getattr(values.chain, name) == 0:
            yield "chain", name, "is 0"


def _storage(values: Configuration) -> Iterator[Contradiction]:
    storage = values.storage
    if storage.archive is not None and storage.archive == storage.witnesses:
        yield "storage", "archive", "is the directory of the witnesses itself"
    if storage.witnesses_count == 0:
        yield "storage", "witnesses_count", "is 0: no adapter could read a witness"
