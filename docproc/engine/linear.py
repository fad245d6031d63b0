"""Linear layers of the engine: as they are, or in 8 bits on a CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    Linear = Callable[[Tensor], Tensor]
    Kind = Callable[[Tensor, Tensor | None], Linear]

# Weights and inputs are whole numbers from -127 to 127.
_LARGEST = 127.0
# PyTorch compiles its kernel anew for each number of rows, 1 ms: above a few, rows are rounded up, so that the numbers
# come again.
_FEW_ROWS, _ROWS_STEP = 32, 64


class FloatLinear:
    """`x @ weight.T * factor + bias`; the factor is 1 unless `scaled` sets it."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self.weight, self.bias, self.factor = weight, bias, 1.0

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to rows of shape (rows, inputs)."""
        import torch
        import torch.nn.functional as F  # noqa: N812

        if self.bias is None or self.factor == 1:
            return F.linear(x, self.weight, self.bias)
        return torch.addmm(self.bias, x, self.weight.t(), alpha=self.factor)

    def scaled(self, factor: float, *, with_bias: bool) -> FloatLinear:
        """Return the layer, which has a bias, that gives `factor` times as much; its weights are the same."""
        assert self.bias is not None
        other = copy(self)
        other.factor = self.factor * factor
        other.bias = self.bias * factor if with_bias else self.bias
        return other


class Int8Linear:
    """The same in whole numbers: weights have a scale for each output, inputs one for each row, found as they come.

    The sum of products is exact, and a row's scale is its own: a row comes out the same, to the last bit, whatever
    rows stand beside it. The built-in model's weights are stored with the same scales, so that they lose nothing.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        """Round a weight of shape (outputs, inputs)."""
        import torch

        largest = weight.abs().amax(1).clamp_min(1e-12)
        # Stored by outputs: one row's product then reads it straight on, three times as fast as the other way round.
        self.weight = (weight * (_LARGEST / largest)[:, None]).round().to(torch.int8).t()
        self.scale = largest / _LARGEST
        self.bias = torch.zeros_like(self.scale) if bias is None else bias

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to rows of shape (rows, inputs)."""
        import torch

        count = len(x)
        scale = x.abs().amax(-1, keepdim=True).clamp_min_(1e-12).mul_(1 / _LARGEST)
        whole = (x * scale.reciprocal()).round_()
        if count > _FEW_ROWS and count % _ROWS_STEP:
            padded = torch.empty(-(-count // _ROWS_STEP) * _ROWS_STEP, x.shape[1], dtype=torch.int8)
            padded[:count] = whole
            products = torch._int_mm(padded, self.weight)[:count]
        else:
            products = torch._int_mm(whole.to(torch.int8), self.weight)
        # Not one product of int32 and float32: PyTorch's is twenty times slower than these two.
        return torch.addcmul(self.bias, products.float().mul_(self.scale), scale)

    def scaled(self, factor: float, *, with_bias: bool) -> Int8Linear:
        """Return the layer that gives `factor` times as much; its whole numbers are the same."""
        other = copy(self)
        other.scale = self.scale * factor
        other.bias = self.bias * factor if with_bias else self.bias
        return other

    def reordered(self, order: Tensor) -> Int8Linear:
        """Return the layer whose output i is this one's output `order[i]`."""
        other = copy(self)
        other.weight = self.weight.t()[order].t()
        other.scale, other.bias = self.scale[order], self.bias[order]
        return other


class ModuleLinear:
    """Layers as they are, called one by one: in 4 bits, with an adapter, or still in training."""

    def __init__(self, modules: Sequence[Any]) -> None:
        self.modules = list(modules)

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to rows of shape (rows, inputs)."""
        import torch

        outputs = [module(x) for module in self.modules]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, -1)


def joined(modules: Sequence[Any], kind: Kind | None) -> Linear:
    """One layer in place of several that read the same input; its output is theirs, side by side.

    Args:
        modules: `nn.Linear`, or anything like it.
        kind: What plain `nn.Linear` become. With `FloatLinear` they give up their weights: they keep working, on views
            of the joined weight, but an optimizer that knew their parameters does not know these. None leaves them.
    """
    import torch

    if kind is None or any(type(module) is not torch.nn.Linear for module in modules):
        return ModuleLinear(modules)
    if len(modules) == 1:
        return kind(modules[0].weight.detach(), _detached(modules[0].bias))
    weight = torch.cat([module.weight.detach() for module in modules])
    bias = None
    if any(module.bias is not None for module in modules):
        bias = torch.cat([weight.new_zeros(m.out_features) if m.bias is None else m.bias.detach() for m in modules])
    if kind is FloatLinear:
        parts = torch.split(weight, [m.out_features for m in modules])
        for module, part in zip(modules, parts, strict=True):
            module.weight = torch.nn.Parameter(part, requires_grad=False)
    return kind(weight, bias)


def is_recordable(linear: Linear) -> bool:
    """Whether a layer may be recorded in a CUDA graph: matrix products are, of 4-bit layers nobody knows."""
    import torch

    if isinstance(linear, ModuleLinear):
        return all(type(module) is torch.nn.Linear for module in linear.modules)
    return isinstance(linear, FloatLinear)


def _detached(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.detach()
