"""How much of what was learned is taken over, so that little of what was known is lost.

Weights between those before and those after a training read the new almost as well as the latter, and the old almost
as well as the former. Source: Wortsman et al. 2022, Robust fine-tuning of zero-shot models (arXiv 2109.01903).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from finetune.evaluate import Scores

# Tried in turn; below the last one little is left of what was learned.
SHARES = (1.0, 0.92, 0.85, 0.7, 0.55, 0.4)


class Blend:
    """The weights of a model before and after its training."""

    def __init__(self, model: Any) -> None:
        """Remember the weights before the training.

        Args:
            model: All its trained weights, or those of a LoRA adapter, whose product is scaled by its second factor.
        """
        self._parameters = {
            name: parameter
            for name, parameter in model.named_parameters()
            if parameter.requires_grad and "lora_A" not in name
        }
        self._before = self._copies()
        self._after: dict[str, torch.Tensor] = {}

    def set_share(self, share: float) -> None:
        """Set the weights to `share` of the way from before to after; the first call says what is after."""
        import torch

        if not self._after:
            self._after = self._copies()
        with torch.no_grad():
            for name, parameter in self._parameters.items():
                where = {"device": parameter.device, "dtype": parameter.dtype}
                before, after = (tensors[name].to(**where) for tensors in (self._before, self._after))
                parameter.copy_(after if share == 1 else before.lerp(after, share))

    def _copies(self) -> dict[str, torch.Tensor]:
        return {name: parameter.detach().cpu().clone() for name, parameter in self._parameters.items()}


def choose_share(
    blend: Blend, kept: Callable[[], Scores], known: float, most_lost: float, report: Callable[[str], None]
) -> tuple[float, Scores]:
    """Set the weights to the largest share that keeps what was known, else to the smallest that there is.

    Args:
        blend: Of the trained model.
        kept: Scores the model as it is on what it must go on reading well.
        known: Its exact match before the training, 0-1.
        most_lost: What may be lost of it.
        report: Takes lines for the user.

    Returns:
        The share, and what `kept` says of it.
    """
    for share in SHARES:
        blend.set_share(share)
        score = kept()
        report(
            f"with {share:.0%} of what was learned: {score.exact_match:.1%} of what it should keep ({known:.1%} before)"
        )
        # Equal counts of formulas are equal, whatever the last bit says.
        if score.exact_match >= known - most_lost - 1e-9:
            break
    return share, score
