"""A formula explained in words by an instruction-tuned Qwen2-VL: one of a folder or the hub, or a server's."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from docproc.errors import DependencyError

if TYPE_CHECKING:
    from docproc.show import Shown

MAX_NEW_TOKENS = 500
TIMEOUT_SECONDS = 300.0
"""For one answer: a 2B model on two cores writes some three tokens a second."""
_CANNOT = (
    "The built-in model reads formulas and knows nothing else: it cannot explain one. Name an instruction-tuned "
    "Qwen2-VL with --model (a folder, or Qwen/Qwen2-VL-2B-Instruct), or a server with --endpoint."
)
_TASK = (
    "Explain the formula in this picture to a student in a few sentences: what it says, what each symbol stands for as "
    "far as the text tells, and what it is used for. If the text does not tell, say so."
)


def explain(shown: Shown, *, model: str | None, device: str, endpoint: str | None, key: str | None) -> str:
    """Ask for an explanation; what comes back is the model's word, not checked by anything.

    Args:
        shown: The formula with its picture and the text around it.
        model: A folder or hub name, or the model's name on the server.
        device: Where a local model runs.
        endpoint: Address of a server with OpenAI's protocol; then nothing is loaded here.
        key: The server's key.

    Raises:
        DependencyError: There is no model that can explain, or it cannot be loaded or asked.
    """
    picture = shown.picture.read_bytes() if shown.picture is not None else None
    if endpoint is not None:
        return _ask_server(question(shown), picture, endpoint, model, key)
    if model is None:
        raise DependencyError(_CANNOT)
    return _ask_model(question(shown), picture, model, device)


def question(shown: Shown) -> str:
    """What is asked: the LaTeX, the words around the formula, and where the text refers to it."""
    entry = shown.entry
    lines = [
        _TASK,
        f"The formula in LaTeX: {entry.latex}",
        f"It stands in {entry.title or entry.document}, page {entry.page}.",
    ]
    if entry.text_before or entry.text_after:
        lines.append(f"The text around it: {entry.text_before} [the formula] {entry.text_after}")
    lines += [f"Elsewhere, on page {mention.page}: {mention.sentence}" for mention in shown.mentions[:5]]
    return "\n".join(lines)


def _ask_server(text: str, picture: bytes | None, endpoint: str, model: str | None, key: str | None) -> str:
    import httpx

    from docproc.endpoint import CONNECT_SECONDS, EndpointRecognizer

    content: list[dict[str, Any]] = [{"type": "text", "text": text}]
    if picture is not None:
        url = "data:image/png;base64," + base64.b64encode(picture).decode("ascii")
        content.insert(0, {"type": "image_url", "image_url": {"url": url}})
    with EndpointRecognizer(endpoint, model, key, TIMEOUT_SECONDS) as server:
        name = server.model
    body = {"model": name, "messages": [{"role": "user", "content": content}], "max_tokens": MAX_NEW_TOKENS}
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    limits = httpx.Timeout(TIMEOUT_SECONDS, connect=CONNECT_SECONDS)
    try:
        address = f"{endpoint.rstrip('/')}/chat/completions"
        answer = httpx.Client(headers=headers, timeout=limits, trust_env=False).post(address, json=body)
        answer.raise_for_status()
        return str(answer.json()["choices"][0]["message"]["content"]).strip()
    except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
        said = str(error).partition("\n")[0] or type(error).__name__
        raise DependencyError(f"--endpoint {endpoint} did not explain it: {said}. Look at the server.") from error


def _ask_model(text: str, picture: bytes | None, model: str, device: str) -> str:
    import io

    import torch
    from PIL import Image

    from docproc.checkpoints import BUILT_IN, is_built_in, load_model_and_processor

    loaded = load_model_and_processor(model, device) if model != BUILT_IN else None
    if loaded is None or is_built_in(loaded.model):
        raise DependencyError(_CANNOT)
    content: list[dict[str, Any]] = [{"type": "text", "text": text}]
    pictures = None
    if picture is not None:
        content.insert(0, {"type": "image"})
        pictures = [Image.open(io.BytesIO(picture)).convert("RGB")]
    prompt = loaded.processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    inputs = loaded.processor(text=[prompt], images=pictures, return_tensors="pt").to(loaded.model.device)
    with torch.inference_mode():
        output = loaded.model.generate(**inputs, max_new_tokens=MAX_NEW_TOKENS, do_sample=False)
    return str(
        loaded.processor.tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    ).strip()
