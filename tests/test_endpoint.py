"""Reading with another server: a real one with the built-in model, and a tiny one that provokes faults."""

import base64
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.machinery import PathFinder
from pathlib import Path
from zlib import crc32

import cv2
import httpx
import numpy as np
import pytest

from docproc import endpoint
from docproc.checkpoints import BUILT_IN_FOLDER, load_model_and_processor
from docproc.endpoint import UNKNOWN_CONFIDENCE, EndpointRecognizer
from docproc.options import RunOptions
from docproc.qwen2_vl import Qwen2VLRecognizer
from docproc.recognition import Unread, cells, recognize_all
from docproc.records import Recognition
from tests.conftest import SAMPLES, Docproc
from tests.pictures import formula_pictures

Answer = Callable[[int, dict], tuple[int, dict | str]]
"""Number of the request and its body to status and body."""


@contextmanager
def server_of(answer: Answer) -> Iterator[tuple[str, list[dict]]]:
    """A server that answers as it is told; yields its address and what it was asked."""
    asked: list[dict] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply(200, {"data": [{"id": "first"}, {"id": "second"}]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body["authorization"], body["path"] = self.headers.get("Authorization"), self.path
            asked.append(body)
            self.reply(*answer(len(asked) - 1, body))

        def reply(self, status: int, body: dict | str) -> None:
            data = (body if isinstance(body, str) else json.dumps(body)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1", asked
    server.shutdown()
    server.server_close()


def said(text: str, reason: str = "stop", **more: object) -> dict:
    return {"choices": [{"message": {"content": text}, "finish_reason": reason, **more}]}


def width_of(body: dict) -> int:
    url = body["messages"][0]["content"][0]["image_url"]["url"]
    return int.from_bytes(base64.b64decode(url.partition(",")[2])[16:20], "big")  # of the PNG's header


def crops_of(*widths: int) -> list[np.ndarray]:
    return [np.full((16, width), 255, np.uint8) for width in widths]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "FIRST_PAUSE_SECONDS", 0.01)


def read(url: str, crops: list[np.ndarray], at_once: int = 4, seconds: float = 5.0, **more) -> list:
    with EndpointRecognizer(url, more.get("model"), more.get("key"), seconds) as recognizer:
        return recognize_all(recognizer, crops, at_once)


def test_crops_are_asked_for_and_answers_come_back_in_order() -> None:
    with server_of(lambda _, body: (200, said(f" {width_of(body)}\n"))) as (url, asked):
        readings = read(url, crops_of(160, 16, 320), key="secret")
    assert readings == [Recognition(text, UNKNOWN_CONFIDENCE, "end") for text in ("160", "16", "320")]
    assert {body["model"] for body in asked} == {"first"}
    assert {body["authorization"] for body in asked} == {"Bearer secret"}
    assert {body["path"] for body in asked} == {"/v1/chat/completions"}
    assert {body["temperature"] for body in asked} == {0}
    assert [part["type"] for part in asked[0]["messages"][0]["content"]] == ["image_url", "text"]


def test_probabilities_become_the_confidence_and_a_cut_answer_is_known() -> None:
    probabilities = {"content": [{"logprob": -0.1}, {"logprob": -0.3}]}
    with server_of(lambda *_: (200, said("x", "length", logprobs=probabilities))) as (url, _):
        (reading,) = read(url, crops_of(16))
    assert reading == Recognition("x", pytest.approx(np.exp(-0.2)), "length")


def test_a_server_that_knows_no_probabilities_is_asked_without_them() -> None:
    def answer(_: int, body: dict) -> tuple[int, dict]:
        return (422, {"detail": "logprobs"}) if "logprobs" in body else (200, said("x"))

    with server_of(answer) as (url, asked):
        readings = read(url, crops_of(16, 32, 48), at_once=1)
    assert [r.latex for r in readings] == ["x"] * 3
    assert sum("logprobs" in body for body in asked) == 1, "it is asked for them only once"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(status: int) -> None:
    with server_of(lambda number, _: (status, "busy") if number < 3 else (200, said("x"))) as (url, asked):
        (reading,) = read(url, crops_of(16))
    assert reading.latex == "x"
    assert len(asked) == 4


def test_what_the_server_cannot_read_is_a_failure_of_its_own() -> None:
    def answer(_: int, body: dict) -> tuple[int, dict | str]:
        return {32: (500, "no such layer"), 48: (404, "no such model"), 64: (200, "<html>")}.get(
            width_of(body), (200, said("x"))
        )

    with server_of(answer) as (url, asked):
        readings = read(url, crops_of(16, 32, 48, 64, 80))
    assert [getattr(r, "latex", None) for r in readings] == ["x", None, None, None, "x"]
    for reading, words in zip(readings[1:4], ("500: no such layer", "404: no such model", "another form"), strict=True):
        assert isinstance(reading, Unread)
        assert words in reading.reason
    assert sum(width_of(body) == 32 for body in asked) == endpoint.TRIES
    assert sum(width_of(body) == 48 for body in asked) == 1, "what is refused is not tried again"


def test_a_silent_server_costs_its_time_out() -> None:
    def answer(_: int, body: dict) -> tuple[int, dict]:
        if width_of(body) == 32:
            time.sleep(3)
        return 200, said("x")

    with server_of(answer) as (url, _):
        readings = read(url, crops_of(16, 32), seconds=0.3)
    assert readings[0].latex == "x"
    assert isinstance(readings[1], Unread)
    assert "timed out" in readings[1].reason


def test_a_server_that_dies_fails_what_is_left_soon() -> None:
    with server_of(lambda *_: (200, said("x"))) as (url, _):
        recognizer = EndpointRecognizer(url, None, None, 5.0)
        assert recognize_all(recognizer, crops_of(16), 4)[0].latex == "x"
    begun = time.monotonic()
    with recognizer:
        readings = recognize_all(recognizer, crops_of(*[16] * 200), 4)
    assert all(isinstance(r, Unread) and "did not answer" in r.reason for r in readings)
    assert time.monotonic() - begun < 10


def test_no_more_requests_at_once_than_asked_for() -> None:
    lock, now, most = threading.Lock(), [0], [0]

    def answer(*_: object) -> tuple[int, dict]:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.02)
        with lock:
            now[0] -= 1
        return 200, said("x")

    with server_of(answer) as (url, _):
        read(url, crops_of(*[16] * 30), at_once=3)
    assert most == [3]


@pytest.mark.parametrize("url", ["localhost:8000", "http://127.0.0.1:9/v1"])
def test_an_address_without_a_server_ends_the_run_with_one_line(docproc: Docproc, tmp_path: Path, url: str) -> None:
    done = docproc("run", SAMPLES / "calculus-notes.pdf", "-o", tmp_path, "--endpoint", url)
    assert done.returncode == 4
    assert "--endpoint" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_stores_what_the_server_reads_and_its_failures(docproc: Docproc, tmp_path: Path) -> None:
    def answer(_: int, body: dict) -> tuple[int, dict]:
        # By the picture: a refused one is asked again without `logprobs`, at a moment that the threads choose.
        picture = body["messages"][0]["content"][0]["image_url"]["url"]
        return (200, said("a^{2}+b^{2}")) if crc32(picture.encode()) % 4 else (400, {"error": "odd picture"})

    with server_of(answer) as (url, asked):
        done = docproc("run", SAMPLES / "calculus-notes.pdf", "-o", tmp_path, "--endpoint", url, "--model", "mine")
    assert done.returncode == 6, done.stderr
    with sqlite3.connect(tmp_path / "docproc.db") as connection:
        read_ = connection.execute("SELECT count(*) FROM formulas WHERE model = 'endpoint:mine'").fetchone()[0]
        reasons = [reason for (reason,) in connection.execute("SELECT reason FROM failures")]
    assert {body["model"] for body in asked} == {"mine"}
    assert read_ > len(reasons) > 0
    assert all("odd picture" in reason for reason in reasons)


def test_evaluate_scores_what_the_server_reads(docproc: Docproc, tmp_path: Path) -> None:
    for number, crop in enumerate(formula_pictures(2)):
        cv2.imwrite(str(tmp_path / f"{number}.png"), crop)
    rows = [{"image": "0.png", "latex": "a+b"}, {"image": "1.png", "latex": "c-d"}]
    (tmp_path / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with server_of(lambda _, __: (200, said("a+b"))) as (url, asked):
        done = docproc("evaluate", tmp_path, "--endpoint", url, "--no-render", "--json")
    scores = json.loads(done.stdout)
    assert (scores["model"], scores["n"], scores["exact"]) == ("endpoint:first", 2, 0.5)
    assert len(asked) == 2

    refused = docproc("evaluate", tmp_path, "--endpoint", url, "--load-in-4bit")
    assert refused.returncode == 2
    assert "server's own business" in refused.stderr


# Folder of what only the server needs: pip install --target FOLDER fastapi openai && pip install --target FOLDER
# --no-deps torchvision. A torchvision built for CUDA lacks its operators beside a PyTorch for the CPU: two are
# declared, and pictures go through Pillow, as in our own runs.
SERVE_PACKAGES = os.environ.get("DOCPROC_TEST_SERVE_PACKAGES", "")
SERVE = """
import torch
library = torch.library.Library("torchvision", "FRAGMENT")
for name in ("nms", "qnms"):
    if not hasattr(torch.ops.torchvision, name):
        library.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
from transformers import AutoImageProcessor
original = AutoImageProcessor.from_pretrained.__func__
AutoImageProcessor.from_pretrained = classmethod(lambda cls, *a, **k: original(cls, *a, **{**k, "backend": "pil"}))
from transformers.cli.transformers import main
main()
"""


@contextmanager
def transformers_serve(folder: Path, log: Path) -> Iterator[str]:
    """A real `transformers serve` process on the CPU."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", SERVE, "serve", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": SERVE_PACKAGES}
    with log.open("w") as opened:
        process = subprocess.Popen([*command, "--device", "cpu"], stdout=opened, stderr=opened, env=environment)
    try:
        deadline = time.monotonic() + 180
        while process.poll() is None and time.monotonic() < deadline:
            try:
                httpx.get(f"http://127.0.0.1:{port}/health", timeout=2)
                break
            except httpx.TransportError:
                time.sleep(0.5)
        assert process.poll() is None, log.read_text()[-2000:]
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_transformers_serve_reads_what_the_built_in_model_reads(tmp_path: Path) -> None:
    for package in ("fastapi", "openai", "uvicorn", "torchvision"):
        if PathFinder.find_spec(package, [SERVE_PACKAGES, *sys.path]) is None:
            pytest.skip(f"transformers serve needs {package}; see DOCPROC_TEST_SERVE_PACKAGES in this file")
    folder = tmp_path / "model"
    load_model_and_processor("built-in", "cpu").model.save_pretrained(folder)
    for name in (*BUILT_IN_FOLDER.glob("*token*.json"), *BUILT_IN_FOLDER.glob("*processor*"), "chat_template.jinja"):
        shutil.copy(BUILT_IN_FOLDER / name, folder)  # joining an absolute path gives it back
    tokens = json.loads((folder / "tokenizer_config.json").read_text())
    # Where an answer begins and ends; the server would look for Qwen's own marks.
    fields = {"content": {"close": "[EOS]", "content": "text"}}
    tokens["response_template"] = {"defaults": {"role": "assistant"}, "start_anchor": "[BOS]", "fields": fields}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokens))
    crops = [crop for crop in formula_pictures(30) if cells(crop) < 400]
    with transformers_serve(folder, tmp_path / "log") as url:
        readings = read(url, crops, at_once=2, seconds=120, model=str(folder))
    own = recognize_all(Qwen2VLRecognizer.from_options(RunOptions(device="cpu")), crops, 8)
    assert not [r for r in readings if isinstance(r, Unread)], (tmp_path / "log").read_text()[-2000:]
    # The server works in 32 bits, our CPU path in whole numbers: a doubtful token may differ.
    different = [(a.latex, b.latex) for a, b in zip(readings, own, strict=True) if a.latex != b.latex]
    assert len(different) <= 0.05 * len(crops), different
