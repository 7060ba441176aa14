"""What is made of the times that renewals took."""

from benchmarks.funding import figures


def test_renewals_are_compared_with_a_transaction_for_each() -> None:
    took_ms = [float(number) for number in range(1, 101)]
    found = figures(2_000.4, took_ms, usual=100.0, usual_took_ms=[500.04, 500.04])
    assert found == {
        "renewals_per_second": 2_000,
        "renewals": 100,
        "p50_ms": 51.0,
        "p99_ms": 100.0,
        "usual_renewals_per_second": 100,
        "usual_p50_ms": 500.0,
        "usual_p99_ms": 500.0,
        "together_to_usual": 20.0,
    }


def test_a_run_without_a_renewal_has_no_times() -> None:
    found = figures(0.0, [], usual=1.0, usual_took_ms=[])
    assert found["p50_ms"] is None and found["usual_p99_ms"] is None
