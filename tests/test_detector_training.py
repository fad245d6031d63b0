"""Training of the scans' detector: labels lie on the ink, crops keep them there, the file for OpenCV is the network."""

import random
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.regions import OWN_FORMULAS
from docproc.dewarp import Curve
from docproc.records import Box
from docproc.scan_detector import CELL_PIXELS, CHANNELS, CLASSES, to_cells
from docproc.scan_ink import binarize
from finetune.pretrain.detector_pages import CORE, GAP, IGNORED, label_page, make_detector_pages, paint_labels
from finetune.pretrain.page_formulas import load_formulas
from finetune.pretrain.page_scans import scan_page
from finetune.pretrain.page_truth import TrueRegion
from finetune.pretrain.pages import make_pages
from finetune.pretrain.tex_archive import decrypt_font, encrypt_font, pack, unpack

torch = pytest.importorskip("torch")
needs_tex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pages are typeset with pdflatex (TeX Live)")
INLINE, DISPLAY, NUMBER = (CLASSES.index(name) for name in ("inline", "display", "number"))


def region(kind: str, *box: float, **more: object) -> TrueRegion:
    return TrueRegion(kind, Box(*box), "x", (Box(*box),), **more)


def test_labels_name_kind_core_gap_and_what_is_undecidable() -> None:
    regions = [
        region("inline", 10, 10, 20, 16),
        region("inline", 23, 10, 30, 16),
        region("inline", 50, 10, 60, 16, is_ignored=True),
        region("display", 10, 30, 60, 44, equation_numbers=(("1", Box(70, 34, 78, 40)),)),
    ]
    labels = paint_labels(regions, np.array([[1.0, 0, 0], [0, 1, 0]]), (60, 90))
    assert (labels[10:16, 10:20] & 3 == INLINE).all()
    assert (labels[30:44, 10:60] & 3 == DISPLAY).all()
    assert (labels[34:40, 70:78] & 3 == NUMBER).all()
    assert (labels[10:16, 50:60] & IGNORED > 0).all()
    assert (labels[10:16, 20:23] & GAP > 0).all()  # between the neighbors
    core = labels & CORE > 0
    assert core[11:15, 11:19].all() and not core[:20, 19:24].any() and not core[10].any()
    assert ((labels & 3 > 0).sum()) == 6 * (10 + 7 + 10) + 14 * 50 + 6 * 8


def test_a_closing_comma_is_undecidable() -> None:
    labels = paint_labels(
        [region("inline", 10, 10, 24, 16, also=(Box(10, 10, 20, 16),))], np.array([[1.0, 0, 0], [0, 1, 0]]), (30, 40)
    )
    assert (labels[10:16, 20:24] & IGNORED > 0).all()
    assert not (labels[10:16, 10:20] & IGNORED).any()


def test_labels_follow_the_curve_that_was_taken_out() -> None:
    regions = [region("display", 10, 30, 20, 36), region("display", 70, 30, 80, 36)]
    matrix, bend = np.array([[1.0, 0, 0], [0, 1, 0]]), Curve((15.0, 75.0), (-8.0, 0.0))
    labels = paint_labels(regions, matrix, (60, 90), bend)
    assert (labels[38:44, 10:20] & 3 == DISPLAY).all() and (labels[30:36, 70:80] & 3 == DISPLAY).all()
    assert (labels & 3 > 0).sum() == 120


@needs_tex
def test_labels_lie_on_the_ink_of_cleaned_scans() -> None:
    pages = list(make_pages(load_formulas([OWN_FORMULAS], "dev"), 3, 5, pages_per_document=4))
    for number, page in enumerate(pages):
        made = label_page(scan_page(page, number))
        rows, columns = made.labels.shape
        assert (rows, columns) == tuple(-(-side // CELL_PIXELS) for side in made.image.shape)
        ink = binarize(made.image)[0]
        ink = np.pad(ink, ((0, rows * 2 - ink.shape[0]), (0, columns * 2 - ink.shape[1])))
        inked = ink.reshape(rows, 2, columns, 2).max(axis=(1, 3))
        core = made.labels & CORE > 0
        # A third of a letter's box is ink; were the labels beside it, as much as on paper anywhere (a tenth).
        assert inked[core].mean() > 0.25
        assert inked[made.labels == 0].mean() < 0.2


@needs_tex
def test_pages_follow_from_the_seed() -> None:
    formulas = load_formulas([OWN_FORMULAS], "dev")
    for seed in range(40, 60):
        one = list(make_detector_pages(formulas, seed))
        if one:
            break
    two = list(make_detector_pages(formulas, seed))
    assert all(
        np.array_equal(a.image, b.image) and np.array_equal(a.labels, b.labels) for a, b in zip(one, two, strict=True)
    )


def test_crops_keep_labels_on_the_ink() -> None:
    from finetune.pretrain.detector_batches import cut_crops

    ink = torch.zeros(400, 601, dtype=torch.uint8)
    labels = torch.zeros(200, 301, dtype=torch.uint8)
    for x in range(20, 560, 60):
        ink[100:140, x : x + 40] = 255
        labels[50:70, x // 2 : x // 2 + 20] = INLINE
    crops, cells = cut_crops([(ink, labels)] * 12, (256, 320), random.Random(3))
    assert crops.shape == (12, 1, 256, 320) and cells.shape == (12, 128, 160)
    is_inked = torch.nn.functional.avg_pool2d(crops, 2)[:, 0] > 0.5
    agree = (is_inked == (cells > 0)).float().mean()
    assert agree > 0.985
    assert is_inked.any(dim=(1, 2)).float().mean() > 0.6


def test_spoiled_crops_stay_ink_between_zero_and_one() -> None:
    from finetune.pretrain.detector_batches import spoil

    torch.manual_seed(1)
    crops = torch.rand(16, 1, 32, 32)
    spoiled = spoil(crops, random.Random(2))
    assert float(spoiled.min()) >= 0 and float(spoiled.max()) <= 1
    assert (spoiled != crops).any(dim=(1, 2, 3)).float().mean() > 0.5


def test_the_loss_is_small_only_for_the_right_answer() -> None:
    from finetune.pretrain.train_scan_detector import losses

    labels = torch.zeros(1, 20, 20, dtype=torch.uint8)
    labels[0, 4:9, 4:12] = INLINE
    labels[0, 5:8, 5:11] |= CORE
    labels[0, 12:16, 2:18] = DISPLAY | IGNORED
    kinds = (labels & 3).long()
    right = torch.nn.functional.one_hot(kinds, CHANNELS - 1).permute(0, 3, 1, 2) * 20.0 - 10
    right = torch.cat([right, ((labels & CORE) > 0)[:, None] * 20.0 - 10], dim=1)
    wrong = right.clone()
    wrong[:, :, 12:16, 2:18] *= -1  # undecidable: no matter
    shifted = torch.roll(right, 2, dims=3)
    assert float(losses(right, labels)[0]) < 0.01
    assert float(losses(wrong, labels)[0]) < 0.01
    assert float(losses(shifted, labels)[0]) > 0.5


def test_opencv_reads_the_network_as_it_is(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="writing ONNX needs the package onnx (docproc[pretrain])")
    from finetune.pretrain.detector_network import DetectorNetwork, export_onnx, halve_weights
    from finetune.pretrain.train_scan_detector import check_export

    torch.manual_seed(4)
    network = DetectorNetwork()
    torch.nn.init.normal_(network.head.weight, std=0.2)
    export_onnx(network, tmp_path / "net.onnx")
    check_export(tmp_path / "net.onnx", network)
    page, answers = np.random.default_rng(1).random((1, 1, 320, 416), np.float32), []
    for step in (lambda _path: None, halve_weights):
        step(tmp_path / "net.onnx")
        loaded = cv2.dnn.readNetFromONNX(str(tmp_path / "net.onnx"))
        loaded.setInput(page)
        answers.append(loaded.forward())
    assert np.abs(answers[0] - answers[1]).max() < 0.01 * np.abs(answers[0]).max()
    assert (tmp_path / "net.onnx").stat().st_size < 4_000_000


def test_cells_of_an_answer_are_where_pixel_shuffle_puts_them() -> None:
    answer = torch.arange(CHANNELS * 4 * 3 * 5, dtype=torch.float32).reshape(1, CHANNELS * 4, 3, 5)
    assert np.array_equal(to_cells(answer[0].numpy()), torch.nn.functional.pixel_shuffle(answer, 2)[0].numpy())


def test_fonts_travel_in_the_clear_and_come_back_as_they_were(tmp_path: Path) -> None:
    found = (
        shutil.which("kpsewhich")
        and subprocess.run(["kpsewhich", "cmr10.pfb"], capture_output=True, text=True, check=False).stdout.strip()
    )
    if not found:
        pytest.skip("there is no TeX with cmr10.pfb")
    data = Path(found).read_bytes()
    clear = decrypt_font(data)
    assert len(clear) == len(data)
    assert b"/CharStrings" in clear and b"/CharStrings" not in data
    assert encrypt_font(clear) == data
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/cmr10.pfb").write_bytes(data)
    (tmp_path / "tree/run").write_text("#!/bin/sh\n")
    (tmp_path / "tree/run").chmod(0o755)
    pack(tmp_path / "tree", tmp_path / "tree.tar.xz")
    unpack(tmp_path / "tree.tar.xz", tmp_path / "back")
    assert (tmp_path / "back/cmr10.pfb").read_bytes() == data
    assert (tmp_path / "back/run").stat().st_mode & 0o111
    assert (tmp_path / "tree.tar.xz").stat().st_size < 0.75 * len(data)
