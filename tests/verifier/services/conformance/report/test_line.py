"""Texts of others on one line each."""

import subprocess

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from verifier.services.conformance.report.line import LONGEST, line, shell_word

from .runs import HOSTILE

TEXTS = st.text(st.characters(exclude_categories=()))


@given(TEXTS, st.integers(20, 700))
@example(HOSTILE[3], 700)
@example(HOSTILE[6], 700)
def test_a_line_is_printable_and_bounded(text: str, longest: int) -> None:
    made = line(text, longest)
    assert made.isprintable()
    assert len(made) <= longest
    made.encode()


def test_what_is_plain_stays() -> None:
    assert line("test_dup[fork_Prague-DUP1] ✓ שלום") == "test_dup[fork_Prague-DUP1] ✓ שלום"
    assert line("a" * LONGEST) == "a" * LONGEST


def test_what_is_invisible_is_told() -> None:
    assert line("a\0b\r\nc\u202ed\ud800\U000e0041") == r"a\x00b\x0d\x0ac\u202ed\ud800\U000e0041"


def test_secrets_are_taken_out() -> None:
    assert line("https://user:secret@example.org/suite") == "https://example.org/suite"
    assert line("Bearer eyJhbGciOi.eyJpYXQi.c2ln") == "Bearer [removed]"


def test_the_end_of_a_long_text_is_kept() -> None:
    made = line("begin" + "x" * 1000 + "end", 60)
    assert made.startswith("begin")
    assert made.endswith("end")
    assert len(made) == 60


def test_a_shell_reads_the_word_as_it_was() -> None:
    words = [text.replace("\0", "") for text in (*HOSTILE, "plain", "it's", "\\x41", "-\t'\\", "$HOME")]
    script = " ".join(["printf '%s\\0'", *map(shell_word, words)])
    done = subprocess.run(["bash", "-c", script.encode("ascii", "strict") if script.isascii() else script.encode()],
                          capture_output=True, check=True)  # fmt: skip
    told = done.stdout.split(b"\0")[:-1]
    assert [each.decode("utf-8", "surrogateescape") for each in told[:6]] == words[:6]
    assert [each.decode("utf-8", "surrogatepass") for each in told[7:]] == words[7:]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_word_can_be_printed(text: str) -> None:
    assert shell_word(text).isprintable()
