"""Small plots as SVG of our own: times of each client, sizes of witnesses, time against gas. Colours are the page's.

All are 360 units wide, so that a telephone shows them at their own size, and without anything that needs a policy.
"""

import math
from collections.abc import Iterable, Iterator

from markupsafe import Markup

from .histograms import Distribution, Plane
from .line import line

WIDTH = 360
LEFT, RIGHT = 8, 8
LONGEST_LABEL = 2000  # characters, for who hears a plot instead of seeing it
ROW = 44  # height of one client's strip
AXIS = 26
TIME_UNITS = ((1e-3, "µs"), (1.0, "ms"), (1e3, "s"))
SIZE_UNITS = ((1.0, "B"), (1e3, "kB"), (1e6, "MB"), (1e9, "GB"))
GAS_UNITS = ((1.0, "gas"), (1e3, "kgas"), (1e6, "Mgas"), (1e9, "Ggas"))


def quantity(value: float, units: Iterable[tuple[float, str]]) -> str:
    """The value in the largest unit of which it has at least one: "1.2 ms", "350 kB"."""
    chosen = [(scale, name) for scale, name in units if value >= scale * 0.9995]
    scale, name = chosen[-1] if chosen else next(iter(units))
    number = value / scale
    return f"{number:.3g} {name}".strip() if number < 999.5 else f"{number:,.0f} {name}".strip()


def strips(times: Iterable[tuple[str, Distribution]]) -> Markup:
    """A strip a client, all on one logarithmic scale: how often which time, quartiles as a box, the median as a bar."""
    shown = [(name, each) for name, each in times if each.count]
    if not shown:
        return Markup("")
    low = math.floor(math.log10(min(each.quantile(0.001) for _, each in shown)))
    high = max(low + 1, math.ceil(math.log10(max(each.most for _, each in shown))))
    scale = _Scale(low, high, LEFT, WIDTH - RIGHT)
    height = ROW * len(shown) + AXIS
    parts = list(_decades(scale, height - AXIS, TIME_UNITS))
    for index, (name, each) in enumerate(shown):
        parts.extend(_strip(name, each, scale, ROW * index))
    label = "Time a block of each client. " + "; ".join(f"{name}: {_spread(each)}" for name, each in shown)
    return _svg(WIDTH, height, label, parts)


def _strip(name: str, times: Distribution, scale: "_Scale", top: int) -> Iterator[Markup]:
    base, tallest = top + 40, 20
    most = max(times.buckets.values())
    yield Markup("<g><title>{}: {}</title>").format(line(name), _spread(times))
    yield _text(LEFT, top + 14, line(name, 28), "name")
    yield _text(WIDTH - RIGHT, top + 14, f"median {quantity(times.quantile(0.5), TIME_UNITS)}", "number", "end")
    path = [
        f"M{scale.at(bucket / times.steps):.1f} {base}V{base - max(1.0, tallest * math.sqrt(count / most)):.1f}"
        f"H{scale.at((bucket + 1) / times.steps):.1f}V{base}z"
        for bucket, count in sorted(times.buckets.items())
    ]
    yield Markup('<path class="bars" d="{}"/>').format("".join(path))
    low, first, middle, last, high = (
        scale.at(math.log10(times.quantile(share))) for share in (0.05, 0.25, 0.5, 0.75, 0.95)
    )
    yield Markup('<path class="whisker" d="M{:.1f} {y}H{:.1f}"/>').format(low, high, y=base - 4)
    yield Markup('<rect class="box" x="{:.1f}" y="{}" width="{:.1f}" height="6"/>').format(
        first, base - 7, max(1.0, last - first)
    )
    yield Markup('<path class="median" d="M{:.1f} {}v12"/></g>').format(middle, base - 10)


def histogram(sizes: Distribution, title: str) -> Markup:
    """Bars on a logarithmic scale of bytes."""
    if not sizes.count:
        return Markup("")
    low = math.floor(math.log10(sizes.least))
    high = max(low + 1, math.ceil(math.log10(sizes.most)))
    scale = _Scale(low, high, LEFT, WIDTH - RIGHT)
    base, tallest = 140, 116
    most = max(sizes.buckets.values())
    parts = list(_decades(scale, base, SIZE_UNITS))
    parts.append(_text(LEFT, 14, f"{sizes.count:,} witnesses, {quantity(sizes.total, SIZE_UNITS)}", "name"))
    parts.append(_text(WIDTH - RIGHT, 14, f"median {quantity(sizes.quantile(0.5), SIZE_UNITS)}", "number", "end"))
    for bucket, count in sorted(sizes.buckets.items()):
        left, right = scale.at(bucket / sizes.steps), scale.at((bucket + 1) / sizes.steps)
        tall = max(1.0, tallest * count / most)
        words = f"from {quantity(10 ** (bucket / sizes.steps), SIZE_UNITS)}: {count:,}"
        parts.append(
            Markup(
                '<rect class="bar" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"><title>{}</title></rect>'
            ).format(left, base - tall, max(1.0, right - left - 1), tall, words)
        )
    return _svg(WIDTH, base + AXIS, f"{title}: {_spread(sizes, SIZE_UNITS)}", parts)


def planes(gas_times: Iterable[tuple[str, Plane]]) -> Iterator[Markup]:
    """A small plot a client, on the same scales: gas of a block to the right, its time upward, darker for more."""
    shown = [(name, each) for name, each in gas_times if each.squares]
    steps = [each.steps for _, each in shown]
    squares = [(x / step, y / step) for step, (_, each) in zip(steps, shown, strict=True) for x, y in each.squares]
    if not squares:
        return
    left, right = math.floor(min(x for x, _ in squares)), math.floor(max(x for x, _ in squares)) + 1
    low, high = math.floor(min(y for _, y in squares)), math.floor(max(y for _, y in squares)) + 1
    wide, top, bottom = 172, 20, 120
    across, up = _Scale(left, right, 0, wide), _Scale(low, high, bottom, top)
    for name, plane in shown:
        parts = [
            _text(0, 14, line(name, 24), "name"),
            Markup('<rect class="field" x="0" y="{}" width="{}" height="{}"/>').format(top, wide, bottom - top),
            *_squares(plane, across, up),
            _text(0, bottom + 14, quantity(10.0**left, GAS_UNITS), "tick"),
            _text(wide, bottom + 14, quantity(10.0**right, GAS_UNITS), "tick", "end"),
            _text(3, bottom - 4, quantity(10.0**low, TIME_UNITS), "tick"),
            _text(3, top + 12, quantity(10.0**high, TIME_UNITS), "tick"),
        ]
        yield _svg(wide, bottom + 20, f"{name}: time of a block against its gas", parts)


def _squares(plane: Plane, across: "_Scale", up: "_Scale") -> Iterator[Markup]:
    most = math.log(1 + max(plane.squares.values()))
    levels: dict[int, list[str]] = {}
    for (x, y), count in sorted(plane.squares.items()):
        left, right = across.at(x / plane.steps), across.at((x + 1) / plane.steps)
        above, below = up.at((y + 1) / plane.steps), up.at(y / plane.steps)
        level = min(4, int(5 * math.log(1 + count) / most))
        levels.setdefault(level, []).append(f"M{left:.1f} {above:.1f}H{right:.1f}V{below:.1f}H{left:.1f}z")
    for level, paths in sorted(levels.items()):
        yield Markup('<path class="bars shade{}" d="{}"/>').format(level, "".join(paths))


class _Scale:
    """From a power of ten between `low` and `high` to a coordinate; what lies outside is put at the edge."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self.low, self.high = low, high
        self._start, self._end = start, end

    def at(self, power: float) -> float:
        share = (min(max(power, self.low), self.high) - self.low) / (self.high - self.low)
        return self._start + share * (self._end - self._start)


def _decades(scale: _Scale, base: int, units: Iterable[tuple[float, str]]) -> Iterator[Markup]:
    """Lines at whole powers of ten, with what they stand for below; not more labels than there is room for."""
    every = max(1, math.ceil((scale.high - scale.low) / 7))
    for power in range(int(scale.low), int(scale.high) + 1):
        x = scale.at(power)
        yield Markup('<path class="grid" d="M{:.1f} 20V{}"/>').format(x, base)
        if (power - int(scale.low)) % every == 0:
            anchor = "start" if power == scale.low else "end" if power == scale.high else "middle"
            yield _text(x, base + 16, quantity(10.0**power, units), "tick", anchor)


def _spread(values: Distribution, units: Iterable[tuple[float, str]] = TIME_UNITS) -> str:
    low, middle, high = (quantity(values.quantile(share), units) for share in (0.05, 0.5, 0.95))
    return (
        f"{values.count:,} blocks, median {middle}, 90 % between {low} and {high}, most {quantity(values.most, units)}"
    )


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{}" text-anchor="{}">{}</text>').format(kind, x, y, anchor, text)


def _svg(width: int, height: int, label: str, parts: Iterable[Markup]) -> Markup:
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        width, height, line(label, LONGEST_LABEL), Markup("").join(parts)
    )
