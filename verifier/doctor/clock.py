"""Our clock against the clients': tokens are refused at a minute's difference, deadlines shift with any."""

from collections.abc import Iterator

from .finding import Finding, fail, ok, warn

TOKEN_DRIFT = 60.0  # seconds (execution-apis, `engine/authentication.md`)
TOLERATED = 2.0  # seconds; a quarter of what a slot leaves for a verdict


def check_clock(subject: str, ahead: float | None) -> Iterator[Finding]:
    """The finding on a peer's clock; none where its answers carry no date. ahead: seconds, negative if behind."""
    if ahead is None:
        return
    text = f"its clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} ours"
    remedy = "run a time service (chrony, systemd-timesyncd) on both machines"
    if abs(ahead) >= TOKEN_DRIFT:
        yield fail(subject, f"{text}: tokens are refused", remedy)
    elif abs(ahead) > TOLERATED:
        yield warn(subject, text, remedy)
    else:
        yield ok(subject, "its clock agrees with ours")
