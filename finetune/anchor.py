"""Holds a model, while it learns, to what it saw and answered before on the formulas that are rehearsed.

Labels alone do not: a formula that is still read right may already look different to the model, and its neighbours,
which nobody rehearses, are then read wrong. Source: Li and Hoiem 2016, Learning without Forgetting (arXiv 1606.09282),
for the answers; the same is asked here of what the vision tower hands on.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from finetune.collator import IGNORED

if TYPE_CHECKING:
    import torch

_NO_INPUTS = ("labels", "num_items_in_batch")


class Anchor:
    """The model as it was, for comparison."""

    def __init__(self, model: Any, strength: float) -> None:
        """Remember the model.

        Args:
            model: Before its training; a PeftModel is asked without its adapter, of any other a copy is kept.
            strength: Weight of both distances against the loss of the answers; above 0.
        """
        self._strength = strength
        self._original = None if hasattr(model, "disable_adapter") else copy.deepcopy(model).eval()
        self._seen: dict[bool, Any] = {}
        for is_original, watched in ((False, model), (True, self._original)):
            if watched is not None:
                merger = next(m for name, m in watched.named_modules() if name.endswith("visual.merger"))
                merger.register_forward_hook(self._watch(is_original))

    def distance(self, model: Any, piece: dict[str, Any], logits: torch.Tensor, num_items: Any) -> torch.Tensor:
        """How far the model has gone from what it was, on rows that are rehearsed.

        Args:
            model: The one in training, just after its forward pass over the piece.
            piece: What it was given.
            logits: What it returned, (rows, length, vocabulary).
            num_items: Answer tokens of the whole batch, as for the loss.

        Returns:
            Divergence of the answers (summed, by `num_items`) and distance of what was seen (by its variance),
            weighted; a scalar.
        """
        import torch

        seen = self._seen[False].float()
        with torch.no_grad(), self._as_it_was(model) as original:
            known = original(**{k: v for k, v in piece.items() if k not in _NO_INPUTS}).logits
        before = self._seen[self._original is not None].float()
        away = torch.nn.functional.kl_div(
            logits[:, :-1].float().log_softmax(-1), known[:, :-1].float().log_softmax(-1),
            log_target=True, reduction="none",
        ).sum(-1)  # fmt: skip
        answers = (away * (piece["labels"][:, 1:] != IGNORED)).sum() / num_items
        sight = (seen - before).square().mean() / before.var()
        total: torch.Tensor = self._strength * (answers + sight)
        return total

    @contextlib.contextmanager
    def _as_it_was(self, model: Any) -> Iterator[Any]:
        if self._original is not None:
            yield self._original
            return
        with model.disable_adapter():
            yield model

    def _watch(self, is_original: bool) -> Callable[..., None]:
        def keep(_module: Any, _given: Any, found: Any) -> None:
            self._seen[is_original] = found

        return keep
