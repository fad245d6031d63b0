"""What strangers and hostile documents may not do in the web application."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from docproc.store import FormulaStore
from tests.conftest import SAMPLES, Docproc
from tests.review_data import HOSTILE, make_hostile
from tests.reviewing.steps import csrf_of

pytest.importorskip("starlette", reason="docproc[review] is not installed")
from starlette.testclient import TestClient

from docproc.review.app import create_app
from docproc.review.security import Guard


@pytest.mark.parametrize("csrf", ["", "x", "ünfug"])
def test_a_form_of_another_site_changes_nothing(client: TestClient, database: Path, csrf: str) -> None:
    before = database.read_bytes()
    answer = client.post("/formulas/1/review", data={"action": "reject", "csrf": csrf})
    assert answer.status_code == 403
    assert client.post("/check", data={"latex": "x", "csrf": csrf}).status_code == 403
    assert database.read_bytes() == before


def test_wrong_requests_are_refused(client: TestClient) -> None:
    csrf = csrf_of(client)
    for data in (
        {"action": "drop"},
        {"action": "correct", "latex": " "},
        {"action": "correct", "latex": "x" * 10_001},
    ):
        assert client.post("/formulas/1/review", data={"csrf": csrf, **data}).status_code == 400
    assert client.post("/formulas/99999/review", data={"csrf": csrf, "action": "accept"}).status_code == 404
    assert client.post("/check", data={"csrf": csrf, "latex": "x" * 300_000}).status_code == 413
    for address in ("/formulas/99999", "/documents/9", "/documents/1/pages/99", "/nothing", "/formulas/1%20OR%201"):
        assert client.get(address).status_code == 404, address
    for address in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2f..%2fstore.py", "/static//etc/passwd"):
        assert client.get(address).status_code == 404, address


def test_other_host_names_are_refused_and_headers_are_set(client: TestClient) -> None:
    assert client.get("/", headers={"host": "evil.example"}).status_code == 421
    assert client.get("/", headers={"host": "localhost:8017"}).status_code == 200
    headers = client.get("/").headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_beyond_loopback_everybody_needs_the_token(database: Path) -> None:
    guard = Guard("0.0.0.0")
    with TestClient(create_app(database, "ada", guard), base_url="http://192.0.2.1:8017") as client:
        assert client.get("/").status_code == 403
        assert client.get("/?token=x").status_code == 403
        assert client.get("/static/review.js").status_code == 403
        entered = client.get(f"/?token={guard.token}", follow_redirects=False)
        assert entered.status_code == 303
        assert "httponly" in entered.headers["set-cookie"].lower()
        assert client.get("/").status_code == 200


def test_what_a_hostile_document_holds_is_only_text(tmp_path: Path) -> None:
    path = tmp_path / "d.db"
    make_hostile(path)
    with TestClient(create_app(path, HOSTILE, Guard("127.0.0.1")), base_url="http://127.0.0.1") as client:
        found = (f"/search?q={HOSTILE}", "/search?q=alert", "/search?status=any")
        for address in ("/", "/documents/1", "/formulas/1", *found):
            text = client.get(address).text
            assert "alert(1)" in text, address
            assert "<script>" not in text, address
            assert "<img src=x" not in text, address
        assert client.get("/documents/1/pages/1/picture.png").status_code == 404


def test_a_document_that_has_changed_is_not_shown(database: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.pdf"
    shutil.copy(SAMPLES / "physics-two-columns.pdf", other)
    with FormulaStore.open(database) as store:
        store.connection.execute("UPDATE documents SET path = ?", (str(other),))
    with TestClient(create_app(database, "ada", Guard("127.0.0.1")), base_url="http://127.0.0.1") as client:
        answer = client.get("/documents/1/pages/1/picture.png")
        assert answer.status_code == 404
        assert "has changed" in answer.text


def test_a_port_that_is_taken_is_one_line(docproc: Docproc, database: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = docproc("review", "-d", database, "--port", taken.getsockname()[1])
    assert result.returncode == 5
    assert len(result.stderr.splitlines()) == 1


def test_a_review_for_reading_only_changes_nothing(database: Path) -> None:
    guard = Guard("127.0.0.1", is_read_only=True)
    with TestClient(create_app(database, "ada", guard), base_url="http://127.0.0.1:8017") as client:
        text = client.get("/formulas/1").text
        assert "Save correction" not in text
        assert 'id="missed"' not in text
        before = database.read_bytes()
        csrf = csrf_of(client)
        for address in ("/formulas/1/review", "/formulas/1/split", "/documents/1/pages/1/formulas"):
            assert client.post(address, data={"csrf": csrf, "action": "accept"}).status_code == 403
        assert client.post("/check", data={"csrf": csrf, "latex": "x"}).json()["valid"] is True
        assert database.read_bytes() == before


def test_a_body_without_a_length_is_limited_too(client: TestClient) -> None:
    def endless() -> Iterator[bytes]:
        yield b"csrf=x&latex="
        for _ in range(100):
            yield b"x" * 10_000

    form = {"content-type": "application/x-www-form-urlencoded"}
    assert client.post("/check", content=endless(), headers=form).status_code == 413
    assert client.post("/check", content=b"x", headers={**form, "content-length": "-5"}).status_code == 413
