"""Folders as few lines."""

from hypothesis import given
from hypothesis import strategies as st

from verifier.services.conformance.report.folders import gathered

PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join)


def test_as_deep_as_there_is_room() -> None:
    paths = ["t/General/stA", "t/General/stB", "t/Valid/x/y", "."]
    assert gathered(paths, 9) == {
        ".": (".",),
        "t/General/stA": ("t/General/stA",),
        "t/General/stB": ("t/General/stB",),
        "t/Valid/x/y": ("t/Valid/x/y",),
    }
    assert gathered(paths, 3) == {
        ".": (".",),
        "t/General": ("t/General/stA", "t/General/stB"),
        "t/Valid": ("t/Valid/x/y",),
    }
    assert gathered(paths, 1) == {".": (".",), "t": ("t/General/stA", "t/General/stB", "t/Valid/x/y")}
    assert gathered([], 5) == {}


@given(st.sets(PATHS), st.integers(1, 20))
def test_every_folder_is_counted_once(paths: set[str], most: int) -> None:
    made = gathered(paths, most)
    members = [each for group in made.values() for each in group]
    assert sorted(members) == sorted(paths)
    assert all(each == name or each.startswith(f"{name}/") for name, group in made.items() for each in group)
    assert len(made) <= max(most, 3)
