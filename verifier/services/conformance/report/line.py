"""Texts of others (fixtures, clients) on one line each: nothing invisible, nothing secret, and not too long."""

import shlex

from verifier.services.evidence.document import one_line

LONGEST = 600  # characters of a text in a report; a name in eest has up to 355
MIDDLE = " … "
SECRET_PARTS = ("://", "eyJ")  # without these there is nothing to be taken out


def line(text: str, longest: int = LONGEST) -> str:
    """Control characters, line breaks and marks of direction as escapes; too long a text is shortened in its middle."""
    if not text.isprintable():
        text = "".join(map(_escaped, text))
    if any(part in text for part in SECRET_PARTS):
        text = one_line(text)
    if len(text) <= longest:
        return text
    tail = (longest - len(MIDDLE)) // 3
    return f"{text[: longest - len(MIDDLE) - tail]}{MIDDLE}{text[len(text) - tail :]}"


def shell_word(text: str) -> str:
    """The text as one word of a command line, exactly. What cannot be printed is written as bash and zsh read it."""
    if text.isprintable():
        return shlex.quote(text)
    encoded = text.encode("utf-8", "surrogateescape" if _escapes_bytes(text) else "surrogatepass")
    return f"$'{''.join(map(_octet, encoded))}'"


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _escapes_bytes(text: str) -> bool:
    """Whether lone surrogates stand for bytes of a file's name, as Python reads one that is not UTF-8 (PEP 383)."""
    surrogates = [each for each in text if 0xD800 <= ord(each) <= 0xDFFF]
    return all(0xDC80 <= ord(each) <= 0xDCFF for each in surrogates)


def _octet(octet: int) -> str:
    if octet in b"'\\":
        return f"\\{chr(octet)}"
    return chr(octet) if 0x20 <= octet < 0x7F else f"\\x{octet:02x}"
