"""Changes made whole with the values before the block: the same where nothing differs, and only there."""

from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.domain.test_post_state import ALICE, BOB, CODE, POST_STATES, SLOTS
from verifier.domain.sides import state_differences
from verifier.domain.whole_state import keys_of, whole
from witness.model import PostAccount, PostState, PreAccount, PreState

ROOT = b"\x01" * 32
PRESTATES: st.SearchStrategy[PreState] = st.dictionaries(
    st.sampled_from([ALICE, BOB]),
    st.none() | st.builds(PreAccount, st.just(1), st.integers(0, 9), st.just(ROOT), st.just(CODE), SLOTS),
)
KEY, OTHER = b"\x02" * 32, b"\x03" * 32


@given(PRESTATES, POST_STATES)
def test_everything_in_the_keys_has_a_value(prestate: PreState, state: PostState) -> None:
    keys = keys_of(prestate, [state])
    assert keys.keys() == prestate.keys() | state.keys()
    made = whole(state, prestate, keys)
    assert made.keys() == keys.keys()
    assert all(account is None or account.slots.keys() == keys[address] for address, account in made.items())
    for address, account in state.items():
        found = made[address]
        assert (found is None) is (account is None)
        if account is not None and found is not None:
            assert (found.nonce, found.balance) == (account.nonce, account.balance)
            assert account.slots.items() <= found.slots.items()


@given(PRESTATES, POST_STATES)
def test_a_change_to_the_same_value_is_none(prestate: PreState, state: PostState) -> None:
    """Whoever lists a slot with the value that it had says what the others say by not listing it."""
    keys = keys_of(prestate, [state])
    made = whole(state, prestate, keys)
    assert state_differences((made, whole(made, prestate, keys))) == ()


@given(PRESTATES, POST_STATES, st.integers(10, 99))
def test_another_balance_is_found(prestate: PreState, state: PostState, balance: int) -> None:
    other = {**state, ALICE: PostAccount(1, balance, CODE)}
    keys = keys_of(prestate, [state, other])
    first, second = whole(state, prestate, keys), whole(other, prestate, keys)
    found = first[ALICE]
    assert bool(state_differences((first, second))) is (first != second)
    if found is not None and found.balance != balance:
        assert any(each.what == "balance" for each in state_differences((first, second)))


def test_slots_of_all_are_in_all() -> None:
    prestate: PreState = {ALICE: PreAccount(1, 5, ROOT, CODE, {KEY: 7})}
    states: list[PostState] = [{ALICE: PostAccount(1, 5, CODE, {OTHER: 1})}, {}]
    keys = keys_of(prestate, states)
    made = [whole(state, prestate, keys) for state in states]
    assert made == [
        {ALICE: PostAccount(1, 5, CODE, {KEY: 7, OTHER: 1})},
        {ALICE: PostAccount(1, 5, CODE, {KEY: 7, OTHER: 0})},
    ]
