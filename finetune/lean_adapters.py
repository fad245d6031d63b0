"""LoRA layers with fewer operations: a large model's steps wait for the launches of small ones, a CPU's for memory."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

ADAPTER = "default"


def use_lean_adapters(model: Any) -> None:
    """Let the LoRA layers of a PeftModel add their adapter in one product.

    PEFT 0.21 copies what a 4-bit layer returns, multiplies what the adapter returns by its scale, and adds both: three
    operations over all tokens, each done again in the backward pass, which one `addmm` replaces.

    Args:
        model: Its LoRA layers have one adapter without dropout; other layers, and what is merged or switched off, are
            left to PEFT.
    """
    import torch

    for _, module in list(adapted_layers(model)):
        if not module.lora_variant and isinstance(module.lora_dropout[ADAPTER], torch.nn.Identity):
            layer_class: Any = type(module)
            module.__class__ = _lean(layer_class)


def adapted_layers(model: Any) -> Iterator[tuple[str, Any]]:
    """Names and layers that have an adapter."""
    for name, module in model.named_modules():
        if hasattr(module, "base_layer") and ADAPTER in getattr(module, "lora_A", ()):
            yield name, module


@cache
def _lean(layer_class: Any) -> Any:
    import torch

    class Lean(layer_class):  # type: ignore[misc]
        """The layer with another way to the same numbers."""

        def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
            if self.disable_adapters or self.merged or args or kwargs or self.active_adapters != [ADAPTER]:
                other: torch.Tensor = super().forward(x, *args, **kwargs)
                return other
            found: torch.Tensor = self.base_layer(x)
            down, up = self.lora_A[ADAPTER].weight, self.lora_B[ADAPTER].weight
            if not torch.is_autocast_enabled(x.device.type):
                x = x.to(down.dtype)
            inner = torch.nn.functional.linear(x, down).flatten(0, -2)
            flat = found.flatten(0, -2)
            if not torch.is_autocast_enabled(x.device.type):
                flat = flat.to(inner.dtype)
            summed = torch.addmm(flat, inner, up.t(), alpha=self.scaling[ADAPTER])
            return summed.view(found.shape).to(found.dtype)

    Lean.__name__ = Lean.__qualname__ = f"Lean{layer_class.__name__}"
    return Lean
