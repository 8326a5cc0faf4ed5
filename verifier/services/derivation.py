"""Derives the sections prestate and poststate of blocks that others have witnessed."""

from dataclasses import replace

from verifier.errors import InputError
from verifier.services.trust import establish_trust
from witness.chain_config import parse_chain_config
from witness.file import check_binding
from witness.model import BlockWitness


def with_sections(content: BlockWitness, *, accept_claims: bool = False) -> tuple[BlockWitness, str]:
    """The content with both sections derived from its witness, replacing others; and a remark, or "".

    The block is executed once. Values come from the witness's nodes, so they are proven against the pre-state root,
    which must be bound by the parent's header, or claimed where claims are accepted. Raises InputError, ExecutorError,
    WitnessError.
    """
    # py-evm is imported here, as it takes longer than most commands.
    from verifier.executors.stateful.embedded.derivation import derive_sections

    header = check_binding(content)
    trust = establish_trust(content, header, None, accept_claims=accept_claims)
    if trust.withheld:
        raise InputError(trust.withheld)
    config = parse_chain_config(content.chain_config)
    fork = config.fork_at(header)
    derived = derive_sections(config, fork, content, trust.pre_state_root, trust.ancestor_hashes)
    remarks = [*trust.notes]
    if derived.incomplete is not None:
        remarks.append(f"incomplete: the witness lacks {derived.incomplete}; no poststate")
    elif derived.invalid is not None:
        remarks.append(f"the block is invalid, no poststate: {derived.invalid}")
    return replace(content, prestate=derived.prestate, poststate=derived.poststate), "; ".join(remarks)
