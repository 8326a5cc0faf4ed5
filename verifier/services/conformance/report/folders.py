"""A suite's folders as few lines: those at the depth at which no more than so many are left, each with all below it."""

from collections.abc import Iterable, Mapping


def gathered(folders: Iterable[str], most: int) -> Mapping[str, tuple[str, ...]]:
    """Folder → the folders counted with it, itself among them where it has tests; as deep as `most` lines allow.

    Where even the first level has more than `most`, all of that level are given.
    """
    paths = sorted(set(folders))
    deepest = max((path.count("/") for path in paths), default=0) + 1
    best = _cut(paths, 1)
    for depth in range(2, deepest + 1):
        deeper = _cut(paths, depth)
        if len(deeper) > most:
            break
        best = deeper
    return best


def _cut(paths: Iterable[str], depth: int) -> Mapping[str, tuple[str, ...]]:
    groups: dict[str, list[str]] = {}
    for path in paths:
        groups.setdefault("/".join(path.split("/")[:depth]), []).append(path)
    return {name: tuple(members) for name, members in groups.items()}
