"""What is read of the sidecar from outside. The process itself runs in tests/end_to_end/test_bench.py."""

from verifier.load.process import Scrape

TEXT = """\
# HELP under_way Blocks.
# TYPE under_way gauge
under_way{stage="judging"} 3.0
under_way{stage="waiting"} 4.0
# TYPE verdicts_total counter
verdicts_total{verdict="ATTEST"} 7.0
"""


def test_a_metric_is_summed_over_the_labels_that_are_not_named() -> None:
    scrape = Scrape(TEXT)
    assert scrape.total("under_way") == 7
    assert scrape.total("under_way", stage="waiting") == 4
    assert scrape.total("verdicts_total") == 7
    assert scrape.total("absent") == 0
