"""The status page as it is served: one document with its style and script in it, and the policy that allows just those.

The parts lie in page/ as plain HTML, CSS and JavaScript; nothing is built, nothing is loaded from elsewhere.
"""

import base64
import hashlib
from dataclasses import dataclass
from importlib.resources import files

STYLE = "/* page.css */"
SCRIPT = "/* page.js */"


@dataclass(frozen=True, slots=True)
class Page:
    """html: the whole document. policy: its Content-Security-Policy."""

    html: str
    policy: str


def load_page() -> Page:
    """The page out of this package's data."""
    folder = files("verifier.telemetry") / "page"
    style = (folder / "page.css").read_text(encoding="utf-8")
    script = (folder / "page.js").read_text(encoding="utf-8")
    html = (folder / "page.html").read_text(encoding="utf-8")
    policy = "; ".join(
        (
            "default-src 'none'",
            f"style-src {_source(style)}",
            f"script-src {_source(script)}",
            "connect-src 'self'",
            "img-src data:",  # its icon
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
    return Page(html.replace(STYLE, style).replace(SCRIPT, script), policy)


def _source(text: str) -> str:
    """A hash source (Content Security Policy Level 3): exactly this text between the tags."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
