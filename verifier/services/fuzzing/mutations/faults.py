"""Headers that are changed after the block is built."""

from dataclasses import replace
from random import Random

from ..draft import Draft
from ..headers import fault
from ..material import Material


def mutate(draft: Draft, random: Random, material: Material) -> Draft:
    """A fault of any kind."""
    return replace(draft, fault=fault(random, draft.fork))


def cleared(draft: Draft) -> Draft:
    """Without one, and without transactions that may not be included in the block."""
    return replace(draft, fault=None, with_refused=False)
