"""Greedy decoding of a batch with a Qwen2-VL, one loop for every checkpoint.

It writes the tokens of `model.generate(do_sample=False)` (proven by a test) and keeps what generate throws away: the
log-probability of each token and the reason why each row ended. Rows that have ended leave the batch, so that one
long formula does not make the others wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# The tail of a runaway is one piece again and again; identity matrices and long numbers repeat too, but not so long.
REPEATED_TOKENS, REPEATED_TIMES, LONGEST_PERIOD = 64, 6, 40
# Looking at the tokens stops a GPU's queue; on the CPU it is free.
STEPS_BETWEEN_LOOKS_GPU = 8
# Leaving rows cost a copy of the cache; below this share of live rows it pays.
LIVE_SHARE = 0.75


@dataclass(slots=True)
class Decoded:
    """What one row wrote."""

    tokens: list[int]
    """Without the end token."""
    mean_log_probability: float
    """Over the tokens and the end token."""
    stop_reason: str
    """`end`, `length` or `repetition`."""


@dataclass(slots=True)
class _Row:
    limit: int
    tokens: list[int] = field(default_factory=list)
    log_probability: float = 0.0
    stop_reason: str | None = None

    def take(self, token: int, log_probability: float, end_ids: frozenset[int]) -> None:
        """Add a token unless the row has ended."""
        if self.stop_reason:
            return
        self.log_probability += log_probability
        if token in end_ids:
            self.stop_reason = "end"
            return
        self.tokens.append(token)
        if repeats(self.tokens):
            self.stop_reason = "repetition"
        elif len(self.tokens) >= self.limit:
            self.stop_reason = "length"

    def decoded(self) -> Decoded:
        count = len(self.tokens) + (self.stop_reason == "end")
        return Decoded(self.tokens, self.log_probability / max(1, count), self.stop_reason or "length")


def repeats(tokens: Sequence[int]) -> bool:
    """Whether the tail of the tokens is one short piece said again and again."""
    for period in range(1, LONGEST_PERIOD + 1):
        length = max(REPEATED_TOKENS, REPEATED_TIMES * period)
        if len(tokens) < length:
            return False
        if tokens[-1] == tokens[-1 - period] and tokens[-length + period :] == tokens[-length:-period]:
            return True
    return False


def greedy(model: Any, inputs: dict[str, torch.Tensor], limits: Sequence[int], end_ids: Sequence[int]) -> list[Decoded]:
    """Decode a left-padded batch greedily.

    Args:
        model: A `Qwen2VLForConditionalGeneration` in eval mode.
        inputs: What the processor returns, on the model's device: `input_ids`, `attention_mask` and
            `mm_token_type_ids` of shape (batch, length), `pixel_values` (patches, values), `image_grid_thw`
            (pictures, 3).
        limits: Most new tokens of each row.
        end_ids: Tokens that end a row.

    Returns:
        One result a row.
    """
    import torch
    from transformers import DynamicCache

    text_model = model.model.language_model
    mask = inputs["attention_mask"]
    rows = [_Row(limit) for limit in limits]
    live = list(rows)
    ends = frozenset(end_ids)
    look_every = STEPS_BETWEEN_LOOKS_GPU if mask.is_cuda else 1
    with torch.inference_mode():
        cache = DynamicCache(config=model.config.get_text_config())
        embeds, positions = _prefix(model, inputs)
        position = positions.amax(dim=(0, 2)) + 1
        unseen: list[torch.Tensor] = []
        while True:
            hidden = text_model(
                inputs_embeds=embeds, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
            ).last_hidden_state[:, -1]
            logits = model.lm_head(hidden).float()
            best, token = logits.max(-1)
            unseen.append(torch.stack([token.double(), (best - logits.logsumexp(-1)).double()]))
            if len(unseen) == look_every:
                for tokens, scores in torch.stack(unseen).tolist():
                    for row, token_id, score in zip(live, tokens, scores, strict=True):
                        row.take(int(token_id), score, ends)
                unseen = []
                keep = [slot for slot, row in enumerate(live) if row.stop_reason is None]
                if not keep:
                    return [row.decoded() for row in rows]
                if len(keep) <= LIVE_SHARE * len(live):
                    slots = torch.tensor(keep, device=mask.device)
                    cache.batch_select_indices(slots)
                    live = [live[slot] for slot in keep]
                    token, mask, position = token[slots], mask[slots], position[slots]
            mask = torch.cat([mask, mask.new_ones(len(live), 1)], dim=1)
            embeds, positions = text_model.embed_tokens(token[:, None]), position[None, :, None].expand(3, -1, 1)
            position = position + 1


def _prefix(model: Any, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings (batch, length, width) of prompt and picture, and their positions (3, batch, length)."""
    body, ids = model.model, inputs["input_ids"]
    pictures = body.visual(
        inputs["pixel_values"].to(body.visual.dtype), grid_thw=inputs["image_grid_thw"]
    ).pooler_output
    embeds = body.language_model.embed_tokens(ids)
    is_picture = (ids == model.config.image_token_id)[..., None]
    embeds = embeds.masked_scatter(is_picture, pictures.to(embeds.dtype))
    positions, _ = body.get_rope_index(
        ids, inputs["mm_token_type_ids"], inputs["image_grid_thw"], None, inputs["attention_mask"]
    )
    return embeds, positions
