"""Fields of one connection stay there, whatever their case; all others go on as they came."""

from verifier.header_fields import HOP_BY_HOP, end_to_end

OTHERS = [("X-Own", "1"), ("x-own", "2"), ("Accept", "*/*"), ("Content-Length", "0")]


def test_what_concerns_one_connection_is_not_passed() -> None:
    given = [(name.title(), "close") for name in sorted(HOP_BY_HOP)]
    assert list(end_to_end([*given, *OTHERS]).items()) == OTHERS


def test_nor_what_connection_names_in_any_of_its_fields() -> None:
    given = [("Connection", "keep-alive, X-OWN"), ("connection", " accept ")]
    assert list(end_to_end([*given, *OTHERS]).items()) == [("Content-Length", "0")]


def test_nor_what_this_proxy_leaves_out() -> None:
    assert list(end_to_end(OTHERS, {"content-length", "accept"}).items()) == OTHERS[:2]
