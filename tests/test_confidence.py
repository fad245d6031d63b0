"""The confidence of readings: its calibration, its file, and that the recognizer uses it."""

import json
import math
import random

import numpy as np
import pytest

from docproc.checkpoints import BUILT_IN_FOLDER, LoadedModel, load_model_and_processor
from docproc.confidence import Calibration, load_calibration, save_calibration, uncalibrated
from docproc.distances import calibration_error
from docproc.qwen2_vl import Qwen2VLRecognizer
from docproc.recognition import recognize_all
from finetune.pretrain.calibrate import Outcome, cross_validate, figures, fit, read_outcomes


def make_outcomes(count: int, seed: int) -> list[Outcome]:
    """Readings whose chance to be right is known: far from what their probabilities say."""
    rng, truth = random.Random(seed), Calibration(0.3, 0.6, -0.2)
    outcomes = []
    for _ in range(count):
        tokens, mean = rng.randint(2, 60), -rng.expovariate(8)
        outcomes.append(
            Outcome(mean, tokens, rng.random() < truth.confidence(mean, tokens), f"source {rng.randrange(9)}")
        )
    return outcomes


def test_a_fitted_confidence_is_how_often_readings_are_right():
    outcomes = make_outcomes(3_000, 1)
    plain = [uncalibrated(o.mean_log_probability) for o in outcomes]
    assert figures(cross_validate(outcomes), outcomes)["ece"] < 0.03 < figures(plain, outcomes)["ece"]
    calibration = fit(outcomes)
    assert calibration.odds == pytest.approx(0.6, abs=0.15)


def test_confidence_stays_between_zero_and_one_at_the_ends():
    calibration = Calibration(1.0, 5.0, 1.0)
    for mean in (0.0, -1e-9, -50.0, -1e6):
        assert 0 <= calibration.confidence(mean, 0) <= 1
        assert 0 <= calibration.confidence(mean, 300) <= 1


def test_a_calibration_comes_back_from_its_file(tmp_path):
    assert load_calibration(tmp_path) is None
    save_calibration(Calibration(1.5, -2.25, 0.125), tmp_path)
    assert load_calibration(tmp_path) == Calibration(1.5, -2.25, 0.125)


def test_runaways_and_refusals_are_not_fitted_on(tmp_path):
    row = {"set": "clean", "source": "s", "pred": r"\alpha x", "finished": True, "log_p": -0.3, "same": True}
    rows = [row, row | {"finished": False}, row | {"pred": ""}, row | {"set": "nothing"}]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    (outcome,) = read_outcomes(tmp_path / "p.jsonl")
    assert (outcome.tokens, outcome.mean_log_probability) == (3, pytest.approx(-0.1))


def test_the_recognizer_gives_the_confidence_of_its_checkpoint():
    loaded = load_model_and_processor("built-in", "cpu")
    assert loaded.calibration == load_calibration(BUILT_IN_FOLDER)
    crop = np.full((32, 160), 255, np.uint8)
    crop[8:24:4, 10:150] = 40
    readings = []
    for calibration in (None, Calibration(-1.0, 0.0, 0.0)):
        bare = LoadedModel(loaded.model, loaded.processor, calibration)
        (reading,) = recognize_all(Qwen2VLRecognizer("test", lambda bare=bare: bare), [crop], 1)
        readings.append(reading)
    assert readings[0].latex == readings[1].latex
    assert readings[1].confidence == pytest.approx(1 / (1 + math.e))
    assert uncalibrated(-0.5) == pytest.approx(math.exp(-0.5))


def test_the_built_in_model_has_a_calibration():
    calibration = load_calibration(BUILT_IN_FOLDER)
    assert calibration is not None
    assert calibration.confidence(-0.001, 20) > 0.9 > 0.5 > calibration.confidence(-0.5, 20)
    assert calibration_error([calibration.confidence(-0.001, 20)], [True]) < 0.1
