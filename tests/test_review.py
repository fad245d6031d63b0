"""The web application without a browser: pages, corrections, and what strangers may not do."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from docproc.records import Box, Formula, FormulaKind, FoundPage, PageKind, Status
from docproc.search import search
from docproc.store import FormulaStore
from tests.conftest import SAMPLES, Docproc
from tests.review_data import make_database

pytest.importorskip("starlette", reason="docproc[review] is not installed")
from starlette.testclient import TestClient

from docproc.review.app import create_app
from docproc.review.security import Guard

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    path = tmp_path_factory.mktemp("made") / "docproc.db"
    return path, make_database(path)


@pytest.fixture
def database(made: tuple[Path, int], tmp_path: Path) -> Path:
    return Path(shutil.copy(made[0], tmp_path / "docproc.db"))


@pytest.fixture
def client(database: Path) -> Iterator[TestClient]:
    with TestClient(create_app(database, "ada", Guard("127.0.0.1")), base_url="http://127.0.0.1:8017") as client:
        yield client


def csrf_of(client: TestClient) -> str:
    found = re.search(r'name="csrf" content="([^"]+)"', client.get("/").text)
    assert found
    return found[1]


def review(client: TestClient, formula: int, action: str, **fields: str) -> str:
    """Do one step; returns where it leads."""
    data = {"csrf": csrf_of(client), "action": action, **fields}
    answer = client.post(f"/formulas/{formula}/review", data=data, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def test_pages_show_documents_boxes_and_formulas(client: TestClient, made: tuple[Path, int]) -> None:
    assert "calculus notes" in client.get("/").text
    assert client.get("/documents/1").text.count('class="pages"') == 1
    page = client.get("/documents/1/pages/1").text
    assert page.count("<rect class=") > 40
    assert client.get(f"/formulas/{made[1]}").url.query == f"formula={made[1]}".encode()
    panel = client.get(f"/formulas/{made[1]}").text
    assert "invalid" in panel
    assert "opening brace without a closing one" in panel
    picture = client.get("/documents/1/pages/1/picture.png")
    assert picture.content.startswith(b"\x89PNG")
    assert client.get(f"/formulas/{made[1]}/picture.png").content.startswith(b"\x89PNG")
    assert "1 or" not in client.get("/search", params={"q": "limit", "pages": "1"}).text
    assert "is no page or range" in client.get("/search", params={"q": "x", "pages": "a"}).text


def test_a_correction_is_saved_found_and_undone(client: TestClient, database: Path, made: tuple[Path, int]) -> None:
    formula = made[1]
    review(client, formula, "correct", latex=r"\lim_{h\to 0}\frac{f(x+h)-f(x)}{h}+\Xi")
    with FormulaStore.open(database) as store:
        (hit,) = search(store, r"\Xi")
        assert (hit.formula_id, hit.status) == (formula, "verified")
        assert r"+\Xi" in store.connection.execute("SELECT text FROM pages WHERE number = 1").fetchone()[0]
    review(client, formula, "reject")
    assert "rejected" in client.get(f"/formulas/{formula}").text
    review(client, formula, "undo")
    review(client, formula, "undo")
    review(client, formula, "undo")
    with FormulaStore.open(database) as store:
        row = "SELECT status, corrected_latex, reviewed_at, reviewer FROM formulas WHERE id = ?"
        assert store.connection.execute(row, (formula,)).fetchone() == ("invalid", None, None, None)
        steps = [step["action"] for step in store.reviews(formula)]
        assert steps == ["undo", "undo", "reject", "correct"], "nothing is left for a third undo"
        assert store.reviews(formula)[0]["who"] == "ada"
        assert search(store, r"\Xi") == []


def test_undo_goes_back_step_by_step_and_can_be_followed_by_more(database: Path) -> None:
    with FormulaStore.open(database) as store:
        for latex in ("a", "b", "c"):
            store.review_formula(1, "correct", "ada", latex)
        assert store.undo_review(1, "bob")
        store.review_formula(1, "correct", "ada", "d")
        seen = []
        while store.undo_review(1, "bob"):
            (latex,) = store.connection.execute("SELECT corrected_latex FROM formulas WHERE id = 1").fetchone()
            seen.append(latex)
        assert seen == ["b", "a", None]


def test_corrections_outlive_a_new_run_and_are_in_its_markdown(docproc: Docproc, database: Path) -> None:
    with FormulaStore.open(database) as store:
        (formula,) = store.connection.execute("SELECT id FROM formulas WHERE equation_number = '2.2'").fetchone()
        store.review_formula(formula, "correct", "ada", r"\Xi=1")
    result = docproc("run", SAMPLES / "calculus-notes.pdf", "-o", database.parent, "--pages", "2")
    assert result.returncode == 0, result.stderr
    markdown = database.parent / "calculus-notes.md"
    assert r"\Xi=1" in markdown.read_text(encoding="utf-8")
    with FormulaStore.open(database) as store:
        assert [hit.formula_id for hit in search(store, r"\Xi=1")][:1] == [formula]
        store.connection.execute("UPDATE pages SET status = 'done'")
        store.finish_document(1, "finished")
        store.review_formula(formula, "correct", "ada", r"\Xi=2")
    result = docproc("run", SAMPLES / "calculus-notes.pdf", "-o", database.parent)
    assert result.returncode == 0, result.stderr
    assert r"\Xi=2" in markdown.read_text(encoding="utf-8"), "a finished document takes over its corrections"


def test_the_queue_goes_from_the_least_sure_on(client: TestClient, made: tuple[Path, int]) -> None:
    first = client.get("/queue", follow_redirects=False).headers["location"]
    assert first.endswith(f"?formula={made[1]}&queue=1")
    onward = review(client, made[1], "accept", queue="1")
    assert onward.endswith("&queue=1")
    assert f"formula={made[1]}&" not in onward
    while "formula=" in (place := client.get("/queue", follow_redirects=False).headers.get("location", "")):
        review(client, int(place.split("formula=")[1].split("&")[0]), "accept", queue="1")
    assert "No doubtful formula is left" in client.get("/queue").text


def test_the_live_check_tells_where(client: TestClient) -> None:
    def check(latex: str) -> dict[str, object]:
        answer: dict[str, object] = client.post("/check", data={"latex": latex, "csrf": csrf_of(client)}).json()
        return answer

    assert check("x^2")["valid"] is True
    wrong = check(r"  a+\frac{b}")
    assert (wrong["valid"], wrong["position"]) == (False, len(r"  a+\frac{b}"))
    assert check("a}b")["position"] == 1
    assert check("x" * 20_000)["valid"] is True, "cut, not crashed"


def test_a_drawn_box_is_read_and_stands_for_what_lies_inside(
    client: TestClient, database: Path, made: tuple[Path, int]
) -> None:
    with FormulaStore.open(database) as store:
        of = "SELECT x0, y0, x1, y1 FROM formulas WHERE id = ?"
        x0, y0, x1, y1 = store.connection.execute(of, (made[1],)).fetchone()
    corners = {"x0": x1 + 1, "y0": y0 - 1, "x1": x0 - 1, "y1": y1 + 1, "kind": "display", "csrf": csrf_of(client)}
    answer = client.post("/documents/1/pages/1/formulas", data=corners, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    formula = int(answer.headers["location"].split("formula=")[1])
    with FormulaStore.open(database) as store:
        row = "SELECT latex, status, model, image_sha256, x0 FROM formulas WHERE id = ?"
        latex, status, model, sha256, left = store.connection.execute(row, (formula,)).fetchone()
        assert r"\lim_{h\rightarrow0}\frac{f(x+h)-f(x)}{h}" in latex
        assert (status, left) == ("ok", pytest.approx(x0 - 1))
        assert model != "test"
        assert store.crop_png(sha256) is not None
        old = store.connection.execute("SELECT status FROM formulas WHERE id = ?", (made[1],)).fetchone()
        assert old == ("rejected",)
        assert search(store, latex)[0].formula_id == formula
        assert [step["action"] for step in store.reviews(formula)] == ["draw"]
    review(client, formula, "undo")
    assert 'class="status rejected"' in client.get(f"/formulas/{formula}").text
    page = "/documents/1/pages/1/formulas"
    assert client.post(page, data={**corners, "x0": "a"}).status_code == 400
    assert client.post(page, data={**corners, "x0": "nan"}).status_code == 400
    assert client.post(page, data={**corners, "x0": "9000", "x1": "9100"}).status_code == 400
    assert client.post(page, data={**corners, "csrf": ""}).status_code == 403
    assert client.post("/documents/1/pages/99/formulas", data=corners).status_code == 404


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
    with FormulaStore.open(path) as store:
        hostile = Formula(
            kind=FormulaKind.INLINE,
            position=1,
            box=Box(1, 1, 9, 9),
            latex=rf"\href{{javascript:alert(1)}}{{x}}{HOSTILE}",
            latex_raw=HOSTILE,
            status=Status.SUSPECT,
            confidence=0.1,
            stop_reason="end",
            model=HOSTILE,
            image_sha256="../../etc/passwd",
            problems=(HOSTILE,),
            equation_number=HOSTILE,
            text_before=HOSTILE,
        )
        state = store.begin_document(f"/{HOSTILE}/../../etc/passwd", "sha", "application/pdf", 1, HOSTILE, "o")
        store.write_page(state.id, FoundPage("x", 1, 99, 99, 0, PageKind.SCAN, (), ()), [hostile])
        store.review_formula(1, "correct", HOSTILE, HOSTILE)
    with TestClient(create_app(path, HOSTILE, Guard("127.0.0.1")), base_url="http://127.0.0.1") as client:
        for address in ("/", "/documents/1", "/formulas/1", f"/search?q={HOSTILE}", "/search?q=alert"):
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
