"""docker-compose.yml from nothing to a passing audit.

Runs when the tests are told to use containers (FRAMEMETER_TEST_STACK=containers) and Docker
Compose is there. The project has a name and a port of its own and leaves nothing but images.
"""

import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import pytest
import simplejpeg

ROOT = Path(__file__).parents[2]
CAMERAS = ("gate", "plaza")
DETECTED_LEAST = 20
UP_TIMEOUT_S = 900.0
DETECTED_TIMEOUT_S = 120.0

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(1_500),
    pytest.mark.skipif(
        os.environ.get("FRAMEMETER_TEST_STACK") != "containers" or not shutil.which("docker"),
        reason="runs with FRAMEMETER_TEST_STACK=containers and Docker",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """One compose project; `settings` is all that it gets from outside."""

    name: str
    settings: dict[str, str] = field(repr=False)

    def compose(self, *words: str, timeout_s: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Run `docker compose` on this project."""
        # A .env of whoever runs the tests must not matter.
        command = ["docker", "compose", "--env-file", "/dev/null", "--project-name", self.name]
        environment = {name: os.environ[name] for name in ("PATH", "HOME")} | self.settings
        return subprocess.run(
            [*command, *words],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def answer(self, *words: str, timeout_s: float = 120.0) -> str:
        """Return what `docker compose` prints; fail with its errors when it fails."""
        done = self.compose(*words, timeout_s=timeout_s)
        assert done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def framemeter(self, *words: str) -> str:
        """Return what the command line prints in a container."""
        return self.answer("run", "--rm", "-T", "tools", "framemeter", *words).strip()

    def states(self) -> dict[str, tuple[str, str]]:
        """Return each service's state and health."""
        lines = self.answer("ps", "--all", "--format", "json").splitlines()
        rows = [json.loads(line) for line in lines]
        return {row["Service"]: (row["State"], row["Health"]) for row in rows}


@pytest.fixture(scope="module")
def project() -> Iterator[Project]:
    """Build and start everything; remove it with its volumes at the end."""
    made = Project(
        name=f"framemeter-test-{secrets.token_hex(4)}",
        settings={
            "POSTGRES_PASSWORD": secrets.token_hex(16) + "/@:#?%",
            "GATEWAY_ADDRESS": "127.0.0.1:",  # any free port
        },
    )
    try:
        made.answer("up", "--build", "--detach", timeout_s=UP_TIMEOUT_S)
        yield made
    finally:
        made.compose("down", "--volumes", "--timeout", "30")


@pytest.fixture(scope="module")
def client(project: Project) -> Iterator[httpx.Client]:
    """Speak to the gateway with a key of the account."""
    key = project.framemeter("accounts", "key", "park")
    address = project.answer("port", "gateway", "8080").strip()
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=f"http://{address}", headers=headers, timeout=30.0) as made:
        yield made


def detected(client: httpx.Client) -> dict[str, int]:
    """Return how many frames of each stream were detected and billed."""
    answer = client.get("/v1/usage", params={"group_by": "stream,status"})
    assert answer.status_code == 200, answer.text
    rows = answer.json()["rows"]
    return {row["stream"]: row["frames"] for row in rows if row["status"] == "detected"}


def test_the_cameras_are_detected_and_billed(client: httpx.Client) -> None:
    deadline = time.monotonic() + DETECTED_TIMEOUT_S
    while any(detected(client).get(name, 0) < DETECTED_LEAST for name in CAMERAS):
        assert time.monotonic() < deadline, detected(client)
        time.sleep(1.0)


def test_every_service_is_healthy_and_setup_has_ended(project: Project) -> None:
    deadline = time.monotonic() + DETECTED_TIMEOUT_S
    wanted = {"gateway", "biller", "detector", "producer", "kafka", "postgres", "valkey"}
    while {name for name, state in project.states().items() if state[1] == "healthy"} != wanted:
        assert time.monotonic() < deadline, project.states()
        time.sleep(1.0)
    assert project.states()["setup"][0] == "exited"


def test_a_picture_over_http_is_detected_at_the_published_price(client: httpx.Client) -> None:
    picture = np.full((288, 384, 3), 90, dtype=np.uint8)
    answer = client.post(
        "/yolo/detect",
        files={"image": ("park.jpg", simplejpeg.encode_jpeg(picture, colorspace="BGR"))},
        data={"model": "park-n", "img_size": "640"},
    )
    assert answer.status_code == 200, answer.text
    assert float(answer.json()["usage"]["tokens"]) == 0.7


def test_setting_up_again_changes_no_money_and_no_key(project: Project) -> None:
    before = project.framemeter("topics", "list")
    output = project.answer("run", "--rm", "-T", "setup")
    assert "0 created" in output
    assert "booked before: nothing changed" in output
    assert project.framemeter("topics", "list") == before


def test_the_audit_passes_while_cameras_run_and_after_they_stopped(project: Project) -> None:
    assert "FAILED" not in project.framemeter("audit")
    project.answer("stop", "producer")
    assert "FAILED" not in project.framemeter("audit")
    assert all(name in project.framemeter("report", "park") for name in CAMERAS)


def test_without_a_password_compose_says_what_to_do() -> None:
    done = Project(name="framemeter-test-none", settings={}).compose("config", "--quiet")
    assert done.returncode != 0
    assert "put POSTGRES_PASSWORD=... into a file .env" in done.stderr
