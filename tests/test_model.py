"""The built-in model as it ships: files, sizes, damage, and that it reads."""

import json
import shutil

import numpy as np
import pytest

from docproc.checkpoints import BUILT_IN_FOLDER, load_model_and_processor
from docproc.errors import DependencyError
from docproc.model.load import CHECKSUMS, load_built_in_weights
from docproc.prompt import conversation
from docproc.qwen2_vl import Qwen2VLRecognizer
from docproc.recognition import recognize_all


def copy_model(folder):
    shutil.copytree(BUILT_IN_FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_weights_are_small_and_whole():
    files = list(BUILT_IN_FOLDER.glob("*.safetensors"))
    assert sum(f.stat().st_size for f in files) <= 32_000_000
    assert max(f.stat().st_size for f in files) <= 16_000_000
    assert {f.name for f in files} == set(json.loads((BUILT_IN_FOLDER / CHECKSUMS).read_text()))
    weights = load_built_in_weights(BUILT_IN_FOLDER)
    assert sum(w.numel() for w in weights.values()) == pytest.approx(28.2e6, rel=0.02)
    assert all(str(w.dtype) == "torch.float32" and bool(w.isfinite().all()) for w in weights.values())


def test_a_damaged_file_is_named_in_one_line(tmp_path):
    folder = copy_model(tmp_path / "model")
    file = next(folder.glob("weights-*.safetensors"))
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(DependencyError, match=f"checksum of {file.name} is wrong"):
        load_built_in_weights(folder)
    file.unlink()
    with pytest.raises(DependencyError, match=f"{file.name} cannot be read") as caught:
        load_built_in_weights(folder)
    assert "\n" not in str(caught.value)
    (folder / CHECKSUMS).write_text("{")
    with pytest.raises(DependencyError, match=CHECKSUMS):
        load_built_in_weights(folder)


def test_the_conversation_becomes_one_picture_and_the_answer():
    processor = load_model_and_processor("built-in", "cpu").processor
    asked = processor.apply_chat_template(conversation(), add_generation_prompt=True, tokenize=False)
    taught = processor.apply_chat_template(conversation(r"\alpha x"), tokenize=False)
    assert asked.strip() == "[VS][IMG][VE][BOS]"
    assert taught.strip() == r"[VS][IMG][VE][BOS]\alpha x[EOS]"


def test_it_reads_a_formula_it_was_shown_on_paper(tmp_path):
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    import pymupdf

    from finetune.pretrain.crops import cut_formula
    from finetune.pretrain.typeset import Job, typeset

    wanted = [r"E=mc^{2}", r"\frac{\partial f}{\partial x}\leq\sqrt{n+1}", r"\sum_{i=1}^{n}a_{i}b_{i}"]
    sheet = typeset([Job(x, display=True) for x in wanted])
    pdf = pymupdf.open("pdf", sheet.pdf)
    crops = [cut_formula(pdf[page], 2.2, False, (4, 4, 4, 4), False).grey for page, _ in sheet.pages]
    recognizer = Qwen2VLRecognizer("built-in", lambda: load_model_and_processor("built-in", "cpu"))
    readings = recognize_all(recognizer, [*crops, np.full((40, 120), 255, np.uint8)], 2)
    assert [r.latex for r in readings[:3]] == wanted
    assert all(r.confidence > 0.8 for r in readings[:3])
    assert readings[3].stop_reason == "not-a-formula"
