"""The web application without a browser: pages, corrections and questions."""

from __future__ import annotations

from pathlib import Path

import pytest

from docproc.search import search
from docproc.store import FormulaStore
from tests.conftest import SAMPLES, Docproc
from tests.reviewing.steps import csrf_of, review

pytest.importorskip("starlette", reason="docproc[review] is not installed")
from starlette.testclient import TestClient


def test_pages_show_documents_boxes_and_formulas(client: TestClient, made: tuple[Path, int]) -> None:
    assert "calculus notes" in client.get("/").text
    assert client.get("/documents/1").text.count('class="pages"') == 1
    page = client.get("/documents/1/pages/1").text
    assert page.count("<rect class=") > 40
    assert client.get(f"/formulas/{made[1]}").url.query == f"formula={made[1]}".encode()
    panel = client.get(f"/formulas/{made[1]}").text
    assert "invalid" in panel
    assert "opening brace without a closing one" in panel
    assert "f of x" in page, "screen readers say formulas in words"
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
    assert check("x^2")["spoken"] == "x squared"
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


def neighbors(database: Path) -> list[tuple[int, float, float, float, float]]:
    """Two formulas of one line of the page, with their boxes."""
    with FormulaStore.open(database) as store:
        rows = store.connection.execute(
            "SELECT a.id, a.x0, a.y0, a.x1, a.y1, b.id, b.x0, b.y0, b.x1, b.y1 FROM formulas a JOIN formulas b "
            "ON b.position = a.position + 1 AND b.page_id = a.page_id WHERE a.page_number = 1 AND a.kind = 'inline' "
            "AND b.kind = 'inline' AND abs(a.y0 - b.y0) < 4 AND b.x0 > a.x1 ORDER BY a.id LIMIT 1"
        ).fetchone()
        return [rows[:5], rows[5:]]


def test_formulas_are_merged_and_taken_apart_again(client: TestClient, database: Path) -> None:
    (left, *_), (right, *_) = (first, second) = neighbors(database)
    with FormulaStore.open(database) as store:
        text = "SELECT text FROM pages WHERE number = 1"
        (before,) = store.connection.execute(text).fetchone()
    page = "/documents/1/pages/1/merge"
    data = {"formula": [left, right], "csrf": csrf_of(client)}
    answer = client.post(page, data=data, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    formula = int(answer.headers["location"].split("formula=")[1])
    of = "SELECT status, x0, y0, x1, y1 FROM formulas WHERE id = ?"
    with FormulaStore.open(database) as store:
        status, *corners = store.connection.execute(of, (formula,)).fetchone()
        assert status not in ("rejected", "failed")
        assert corners == pytest.approx(
            [min(first[1], second[1]), min(first[2], second[2]), max(first[3], second[3]), max(first[4], second[4])]
        )
        for part in (left, right):
            assert store.connection.execute(of, (part,)).fetchone()[0] == "rejected"
        (latex,) = store.connection.execute("SELECT latex FROM formulas WHERE id = ?", (formula,)).fetchone()
        (after,) = store.connection.execute(text).fetchone()
        assert f"${latex}$" in after, "it stands in the sentence, where its parts stood"
        assert len(after) != len(before)
        assert [step["action"] for step in store.reviews(formula)] == ["merge"]
    review(client, formula, "correct", latex="x+y")
    review(client, left, "undo")  # of a part: the whole is taken back, its later correction too
    with FormulaStore.open(database) as store:
        statuses = [store.connection.execute(of, (one,)).fetchone()[0] for one in (left, right, formula)]
        assert statuses[2] == "rejected"
        assert "rejected" not in statuses[:2]
        assert store.connection.execute(text).fetchone() == (before,)
    for wrong in ([left], [left, 99999], [left, "x"], []):
        assert client.post(page, data={**data, "formula": wrong}).status_code == 400
    assert client.post(page, data={**data, "csrf": ""}).status_code == 403
    assert client.post("/documents/1/pages/2/merge", data=data).status_code == 400


def test_a_formula_is_split_in_two(client: TestClient, database: Path, made: tuple[Path, int]) -> None:
    data = {"axis": "x", "at": "40", "csrf": csrf_of(client)}
    answer = client.post(f"/formulas/{made[1]}/split", data=data, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    with FormulaStore.open(database) as store:
        of = "SELECT x0, x1, status, equation_number FROM formulas WHERE id = ?"
        x0, x1, status, number = store.connection.execute(of, (made[1],)).fetchone()
        assert status == "rejected"
        parts = "SELECT formula_id FROM reviews WHERE action = 'split' ORDER BY formula_id"
        ids = [row[0] for row in store.connection.execute(parts)]
        rows = [store.connection.execute(of, (one,)).fetchone() for one in ids]
        cut = x0 + 0.4 * (x1 - x0)
        assert [(row[0], row[1]) for row in rows] == [pytest.approx((x0, cut)), pytest.approx((cut, x1))]
        assert [row[3] for row in rows] == [number, None]
        (text,) = store.connection.execute("SELECT text FROM pages WHERE number = 1").fetchone()
        latex = [store.connection.execute("SELECT latex FROM formulas WHERE id = ?", (i,)).fetchone()[0] for i in ids]
        assert f"${latex[0]}$ ${latex[1]}$" in text
    review(client, ids[1], "undo")
    with FormulaStore.open(database) as store:
        assert [store.connection.execute(of, (one,)).fetchone()[2] for one in ids] == ["rejected", "rejected"]
        assert store.connection.execute(of, (made[1],)).fetchone()[2] == "invalid"
    for wrong in ({"axis": "z"}, {"at": "nan"}, {"at": "x"}, {"axis": "lines"}):
        assert client.post(f"/formulas/{made[1]}/split", data={**data, **wrong}).status_code == 400
    assert client.post("/formulas/99999/split", data=data).status_code == 404


def test_an_equation_number_is_corrected_and_kept(client: TestClient, docproc: Docproc, database: Path) -> None:
    with FormulaStore.open(database) as store:
        of = "SELECT id, latex FROM formulas WHERE equation_number = '2.2'"
        formula, latex = store.connection.execute(of).fetchone()
    now = "SELECT equation_number, status, reviewed_at IS NULL FROM formulas WHERE id = ?"
    review(client, formula, "correct", latex=latex, number="7.7")
    with FormulaStore.open(database) as store:
        number, status, is_unseen = store.connection.execute(now, (formula,)).fetchone()
        assert (number, is_unseen) == ("7.7", 1), "that says nothing of the LaTeX"
        assert status != "verified"
        assert search(store, "7.7")[0].formula_id == formula
        assert [step["action"] for step in store.reviews(formula)] == ["number"]
    review(client, formula, "undo")
    review(client, formula, "correct", latex=r"\Xi", number=" ")
    with FormulaStore.open(database) as store:
        assert store.connection.execute(now, (formula,)).fetchone() == (None, "verified", 0)
        assert [step["action"] for step in store.reviews(formula)] == ["correct", "undo", "number"]
    result = docproc("run", SAMPLES / "calculus-notes.pdf", "-o", database.parent, "--pages", "2")
    assert result.returncode == 0, result.stderr
    with FormulaStore.open(database) as store:
        assert store.connection.execute(now, (formula,)).fetchone()[0] is None, "a new run does not bring it back"
    csrf = csrf_of(client)
    data = {"csrf": csrf, "action": "correct", "latex": "x", "number": "1" * 61}
    assert client.post(f"/formulas/{formula}/review", data=data).status_code == 400


def test_the_json_interface_finds_filters_and_counts(client: TestClient, made: tuple[Path, int]) -> None:
    documents = client.get("/api/documents").json()["documents"]
    assert [line["title"] for line in documents] == ["calculus notes"]
    page = client.get("/api/documents/1/pages/1").json()
    assert page["formulas"][0]["page"] == 1
    every = client.get("/api/formulas", params={"status": "any", "limit": "7"}).json()
    assert every["total"] == documents[0]["formulas"]
    assert len(every["formulas"]) == 7
    ids = [row["id"] for row in every["formulas"]]
    onward = every["next"]
    while onward:
        part = client.get(onward).json()
        ids += [row["id"] for row in part["formulas"]]
        onward = part["next"]
    assert len(ids) == len(set(ids)) == every["total"], "every formula once"
    facets = {name: {f["value"]: f["count"] for f in values} for name, values in every["facets"].items()}
    for name, counts in facets.items():
        assert sum(counts.values()) == every["total"], name
    for name in ("kind", "status", "max_confidence"):
        total = 0
        for value, count in facets[name].items():
            total = total + count if name == "max_confidence" else count
            narrow = {**({"status": "any"} if name != "status" else {}), name: value}
            assert client.get("/api/formulas", params=narrow).json()["total"] == total, (name, value)
    found = client.get("/api/formulas", params={"q": "limit", "pages": "1"}).json()
    assert found["total"] >= 1
    assert {row["match"] for row in found["formulas"]} <= {"words", "tokens", "partial"}
    one = client.get(f"/api/formulas/{made[1]}").json()
    assert one["status"] == "invalid"
    assert {"references", "reviews", "similar", "picture", "mathml", "text_before", "box"} <= set(one)
    table = client.get("/api/formulas", params={"format": "csv", "status": "any", "limit": "1000"})
    assert table.headers["content-type"].startswith("text/csv")
    assert len(table.text.splitlines()) > every["total"]
    lines = client.get("/api/formulas", params={"format": "jsonl", "q": "limit"}).text.splitlines()
    assert len(lines) == client.get("/api/formulas", params={"q": "limit"}).json()["total"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "x"}, {"kind": "x"}, {"reviewed": "x"}, {"pages": "x"}, {"max_confidence": "x"}, {"limit": "-1"},
        {"offset": "1e9"}, {"format": "xml"}, {"limit": "9" * 30},
    ],
)  # fmt: skip
def test_wrong_questions_are_told(client: TestClient, wrong: dict[str, str]) -> None:
    answer = client.get("/api/formulas", params=wrong)
    assert answer.status_code == 400
    assert answer.json()["error"]
    if "format" not in wrong:
        assert 'role="alert"' in client.get("/search", params=wrong).text


def test_without_a_query_the_search_page_lists_and_narrows_down(client: TestClient) -> None:
    text = client.get("/search").text
    assert "1 to 50 shown" in text
    assert "/search?kind=display" in text
    assert "/search?offset=50" in text
    assert "sql" not in client.get("/search", params={"q": "'; DROP TABLE formulas; --", "document": "' OR 1=1"}).text
    assert client.get("/api/formulas", params={"document": "' OR 1=1 --"}).json()["total"] == 0
