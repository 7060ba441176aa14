"""Which stack the tests get, and what happens where it cannot run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack import kinds
from tests.stack.running import RunningStack, Unavailable

ROOT = Path(__file__).parents[3]
ONE_TEST = "tests/integration/cli/local/test_fixtures.py::test_each_test_has_an_empty_valkey"
SERVICES = ("FRAMEMETER_KAFKA", "FRAMEMETER_POSTGRES", "FRAMEMETER_REDIS")


def run_one_test(**settings: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in ("CI", *SERVICES)}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", ONE_TEST],
        cwd=ROOT,
        env=inherited | settings,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_missing_service_skips_on_a_laptop() -> None:
    done = run_one_test(FRAMEMETER_TEST_STACK="external")
    assert done.returncode == 0
    assert "needs FRAMEMETER_KAFKA, FRAMEMETER_POSTGRES, FRAMEMETER_REDIS" in done.stdout
    assert "1 skipped" in done.stdout


def test_a_missing_service_fails_in_ci() -> None:
    done = run_one_test(FRAMEMETER_TEST_STACK="external", CI="true")
    assert done.returncode == 1
    assert "needs FRAMEMETER_KAFKA" in done.stdout


def test_an_unknown_kind_is_refused() -> None:
    done = run_one_test(FRAMEMETER_TEST_STACK="cloud")
    assert done.returncode != 0
    assert "choose local, containers or external" in done.stdout + done.stderr


def test_a_configured_service_that_is_away_is_named() -> None:
    addresses = ("127.0.0.1:1", "postgresql://u@127.0.0.1:1/x", "redis://127.0.0.1:1/0")
    with (
        pytest.raises(Unavailable, match="does not answer"),
        kinds.external(dict(zip(SERVICES, addresses, strict=True))),
    ):
        pytest.fail("there is nothing to run on")


def test_faults_are_skipped_where_the_servers_are_not_ours() -> None:
    stack = RunningStack(kind="external", kafka="k", postgres="p", redis="r")
    for fault in (stack.kill, stack.restart, stack.pause, stack.resume):
        with pytest.raises(pytest.skip.Exception, match="this is external"):
            fault("kafka")
