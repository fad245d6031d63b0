"""Explanations: who is asked, and that the built-in model says it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from docproc.explain import explain
from docproc.show import show_formula
from docproc.store import FormulaStore
from tests.conftest import Docproc
from tests.test_endpoint import said, server_of
from tests.tiny_qwen2_vl import write_tiny_qwen2_vl


@pytest.fixture
def formula(digitized: Path) -> int:
    with FormulaStore.open(digitized / "docproc.db", read_only=True) as store:
        of = "SELECT id FROM formulas WHERE equation_number = '2.2'"
        return int(store.connection.execute(of).fetchone()[0])


def test_the_built_in_model_says_that_it_cannot(docproc: Docproc, digitized: Path, formula: int) -> None:
    for arguments in ((), ("--model", "built-in")):
        result = docproc("show", formula, "--explain", *arguments, "-d", digitized / "docproc.db")
        assert result.returncode == 4
        assert "cannot explain" in result.stderr
        assert "--endpoint" in result.stderr


def test_a_server_is_asked_with_picture_and_context(docproc: Docproc, digitized: Path, formula: int) -> None:
    with server_of(lambda number, body: (200, said("It is the absolute value."))) as (address, asked):
        arguments = ("show", formula, "--explain", "--endpoint", address, "-d", digitized / "docproc.db", "--json")
        result = docproc(*arguments)
        assert result.returncode == 0, result.stderr
        shown = json.loads(result.stdout)
        assert shown["explanation"] == "It is the absolute value."
        (body,) = asked
        picture, words = body["messages"][0]["content"]
        assert picture["image_url"]["url"].startswith("data:image/png;base64,")
        assert shown["latex"] in words["text"]
        assert shown["text_before"] in words["text"]
        assert body["model"] == "first"
    with server_of(lambda number, body: (500, "broken")) as (address, _):
        result = docproc("show", formula, "--explain", "--endpoint", address, "-d", digitized / "docproc.db")
        assert result.returncode == 4
        assert len(result.stderr.splitlines()) == 1


def test_a_local_model_is_asked(digitized: Path, formula: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("docproc.explain.MAX_NEW_TOKENS", 8)
    folder = write_tiny_qwen2_vl(tmp_path / "tiny", width=256, is_vocabulary_small=True)
    with FormulaStore.open(digitized / "docproc.db", read_only=True) as store:
        shown = show_formula(store, formula)
    answer = explain(shown, model=str(folder), device="cpu", endpoint=None, key=None)
    assert isinstance(answer, str)  # random weights say nothing of sense, but they are asked
