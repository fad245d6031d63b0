"""What the tests of `docproc finetune` share: pictures, data and what is read off a run."""

import json
import os
from pathlib import Path

import cv2
import numpy as np

from docproc.checkpoints import load_model_and_processor
from docproc.prompt import conversation
from docproc.qwen2_vl import Qwen2VLRecognizer

# For processes of their own, which do not see pytest's path.
PATHS = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}


def picture(number: int) -> np.ndarray:
    """A crop with ink that differs from number to number."""
    crop = np.full((28, 56), 250, np.uint8)
    cv2.putText(crop, f"x{number}", (4, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 0)
    return crop


def png(number: int) -> bytes:
    return cv2.imencode(".png", picture(number))[1].tobytes()


def write_folder(folder: Path, numbers: range = range(16)) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "labels.jsonl").open("w") as file:
        for n in numbers:
            (folder / f"{n}.png").write_bytes(png(n))
            file.write(json.dumps({"image": f"{n}.png", "latex": f"x_{{{n}}}", "document": f"book {n % 4}"}) + "\n")
    return folder


class AnyLabel:
    """Takes every answer as it is: for tests that are not about LaTeX."""

    def prepare(self, text: str) -> str:
        return text


def weights(folder: Path) -> dict[str, np.ndarray]:
    from safetensors.torch import load_file

    return {name: tensor.float().numpy() for name, tensor in load_file(next(folder.glob("*.safetensors"))).items()}


def losses(folder: Path) -> list[float]:
    """Loss of each step."""
    history = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return [entry["loss"] for entry in history if "loss" in entry]


def first_logits(model: str, adapter: Path | None = None) -> np.ndarray:
    """What a model thinks of the first token of three formulas, shape (3, vocabulary)."""
    import torch
    from PIL import Image

    loaded = load_model_and_processor(model, "cpu", adapter=adapter)
    text = loaded.processor.apply_chat_template(conversation(), add_generation_prompt=True, tokenize=False)
    pictures = [Image.fromarray(picture(n)).convert("RGB") for n in (1, 2, 30)]
    inputs = loaded.processor(text=[text] * 3, images=pictures, return_tensors="pt", padding=True)
    with torch.inference_mode():
        return loaded.model(**inputs).logits[:, -1].numpy()


def read(model: str, adapter: Path | None = None) -> list[str]:
    """What a model reads in three crops."""
    loaded = load_model_and_processor(model, "cpu", adapter=adapter)
    readings = dict(Qwen2VLRecognizer("test", lambda: loaded).read([picture(n) for n in (1, 2, 30)], 2))
    return [readings[i].latex for i in range(3)]
