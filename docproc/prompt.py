"""The one prompt, used by recognition and by finetune/."""

from __future__ import annotations

from typing import Any

PROMPT = "Write the formula in this picture as LaTeX."


def conversation(answer: str | None = None, image: object | None = None) -> list[dict[str, Any]]:
    """Build the conversation about one picture.

    Args:
        answer: LaTeX that the assistant gives, for training; None to ask for it.
        image: Put into the message where a trainer wants it there; recognition passes its pictures beside the text.

    Returns:
        Messages in the Hugging Face chat format; the picture comes before the words.
    """
    picture: dict[str, Any] = {"type": "image"} if image is None else {"type": "image", "image": image}
    messages = [{"role": "user", "content": [picture, {"type": "text", "text": PROMPT}]}]
    if answer is not None:
        messages.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
    return messages
