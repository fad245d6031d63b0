"""The forward pass of any Qwen2-VL over pictures and texts laid end to end, with a cache of fixed size for decoding.

The same numbers as transformers' modules give, without their padding, their masks, and their host work for each layer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from docproc.engine.attention import Sequences, attend, frequencies, paired, rotate, rounded_turns, turns
from docproc.engine.linear import FloatLinear, Int8Linear, is_recordable, joined

if TYPE_CHECKING:
    from torch import Tensor

    from docproc.engine.layout import Layout
    from docproc.engine.linear import Kind, Linear
    from docproc.gate import Gate


@dataclass(frozen=True, slots=True)
class _VisionLayer:
    norm1: Any
    qkv: Linear
    is_paired: bool
    """See `rotate`."""
    out: Linear
    norm2: Any
    up: Linear
    down: Linear


@dataclass(frozen=True, slots=True)
class _TextLayer:
    norm1: Tensor
    qkv: Linear
    is_paired: bool
    out: Linear
    norm2: Tensor
    gate_up: Linear
    down: Linear


class VisionTower:
    """Pictures to visual tokens."""

    def __init__(self, model: Any, layout: Layout, kind: Kind | None) -> None:
        """Take the weights of a `Qwen2VLForConditionalGeneration`.

        Args:
            model: In eval mode on its device.
            layout: Says how its pictures are normalized.
            kind: What plain linear layers become, see `joined`.
        """
        import torch

        visual, config = model.model.visual, model.config.vision_config
        kernel = visual.patch_embed.proj.weight.detach().float()  # (width, channels, frames, patch, patch)
        self.device, self.dtype = kernel.device, visual.dtype
        middle, spread = (
            torch.tensor(x, device=self.device)[None, :, None, None, None] for x in (layout.mean, layout.std)
        )
        # A grey picture is the same in all channels and frames: the sum over these is worked out once.
        self.kernel = (kernel / (255 * spread)).sum((1, 2)).flatten(1)
        self.offset = -(kernel * (middle / spread)).sum((1, 2, 3, 4))
        self.heads, self.width = config.num_heads, config.embed_dim
        self.cell = config.spatial_merge_size**2
        self.frequencies = frequencies(config.rope_parameters["rope_theta"], self.width // self.heads // 4, self.device)
        self.activation, mlps = _mlps(visual, config, kind)
        self.layers = [
            _VisionLayer(
                block.norm1,
                *paired(joined([block.attn.qkv], kind), 2 * self.heads, self.width // self.heads),
                joined([block.attn.proj], kind),
                block.norm2,
                up,
                down,
            )
            for block, (up, down) in zip(visual.blocks, mlps, strict=True)
        ]
        self.merger_norm = visual.merger.ln_q
        self.merger = [joined([visual.merger.mlp[0]], kind), visual.merger.mlp[1], joined([visual.merger.mlp[2]], kind)]

    def __call__(
        self, patches: Tensor, rows: Tensor, columns: Tensor, pictures: Sequences, gate: Gate | None = None
    ) -> tuple[Tensor, list[bool]]:
        """See pictures.

        Args:
            patches: Shape (patches, patch * patch), uint8, 0 = ink.
            rows: Row of each patch in its picture.
            columns: Column of each patch.
            pictures: First patch of each picture.
            gate: Pictures that are alike, as it finds, are seen no further than it needs.

        Returns:
            What is seen, shape (patches / 4, text width), and whether each picture is left out of it.
        """
        import torch

        x, angles = self._embedded(patches, rows, columns)
        passed = [False] * (len(pictures.starts) - 1)
        blocks = len(self.layers) if gate is None else gate.blocks
        self._advance(x, angles, pictures, 0, blocks)
        if gate is not None:
            passed = gate.alike(_pooled(x, pictures).cpu().numpy()).tolist()
            if any(passed):
                counts = pictures.starts.diff().tolist()
                stays = ~torch.tensor(passed).repeat_interleave(torch.tensor(counts)).to(self.device)
                x, angles = x[stays], angles[stays]
                counts = [count for count, is_out in zip(counts, passed, strict=True) if not is_out]
                pictures = Sequences.of(counts, self.device) if counts else pictures
            if not all(passed):
                self._advance(x, angles, pictures, blocks, len(self.layers))
        seen: Tensor = self.merger_norm(x).view(-1, self.cell * self.width)
        for step in self.merger:
            seen = step(seen)
        return seen, passed

    def look(self, blocks: int, patches: Tensor, rows: Tensor, columns: Tensor, pictures: Sequences) -> Tensor:
        """How pictures look: mean and deviation over the patches of each, behind the first blocks.

        Args:
            blocks: How many of the tower's.
            patches: As above, like all that follows.
            rows: Of each patch.
            columns: Of each patch.
            pictures: First patch of each picture.

        Returns:
            Shape (pictures, 2 * width), 32 bits.
        """
        x, angles = self._embedded(patches, rows, columns)
        self._advance(x, angles, pictures, 0, blocks)
        return _pooled(x, pictures)

    def _embedded(self, patches: Tensor, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Patches before the first block, shape (patches, width), and the angles of their places."""
        import torch
        import torch.nn.functional as F  # noqa: N812

        x = F.linear(patches.float(), self.kernel, self.offset).to(self.dtype)
        return x, turns((torch.stack([rows, columns], 1)[..., None] * self.frequencies).flatten(1))

    def _advance(self, x: Tensor, angles: Tensor, pictures: Sequences, first: int, end: int) -> None:
        """Run some blocks; `x` becomes what they return."""
        for layer in self.layers[first:end]:
            qkv = layer.qkv(layer.norm1(x)).view(len(x), 3, self.heads, -1)
            q, k = rotate(qkv[:, :2].flatten(1, 2), angles, is_paired=layer.is_paired).chunk(2, dim=1)
            x += layer.out(attend(q, k, qkv[:, 2], pictures, causal=False).flatten(1))
            x += layer.down(self.activation(layer.up(layer.norm2(x))))


def _pooled(x: Tensor, pictures: Sequences) -> Tensor:
    """Mean and deviation of the states of each picture's patches, shape (pictures, 2 * width)."""
    import torch

    counts = pictures.starts.diff()
    of_picture = torch.repeat_interleave(torch.arange(len(counts), device=x.device), counts)
    sums = torch.zeros(2, len(counts), x.shape[1], device=x.device)
    sums[0].index_add_(0, of_picture, x.float())
    sums[1].index_add_(0, of_picture, x.float().square())
    mean, square = sums / counts[:, None]
    return torch.cat([mean, (square - mean.square()).clamp_min(0).sqrt()], 1)


def _mlps(
    visual: Any, config: Any, kind: Kind | None
) -> tuple[Callable[[Tensor], Tensor], list[tuple[Linear, Linear]]]:
    """Activation and the two linear layers of each block."""
    import torch.nn.functional as F  # noqa: N812

    mlps = [(joined([block.mlp.fc1], kind), joined([block.mlp.fc2], kind)) for block in visual.blocks]
    if config.hidden_act != "quick_gelu":
        return visual.blocks[0].mlp.act, mlps
    # x * sigmoid(1.702 x) is silu(1.702 x) / 1.702: one pass over the widest tensor in place of three.
    gain = 1.702
    folded: list[tuple[Linear, Linear]] = []
    for up, down in mlps:
        if not isinstance(up, FloatLinear | Int8Linear) or not isinstance(down, FloatLinear | Int8Linear):
            return visual.blocks[0].mlp.act, mlps
        folded.append((up.scaled(gain, with_bias=True), down.scaled(1 / gain, with_bias=False)))
    return partial(F.silu, inplace=True), folded


class TextDecoder:
    """Tokens to hidden states, all of a prompt's at once or one a row."""

    def __init__(self, model: Any, kind: Kind | None) -> None:
        """Take the weights of a `Qwen2VLForConditionalGeneration`; `kind` as above."""
        import torch

        body, config = model.model.language_model, model.config.get_text_config()
        self.embedding = body.embed_tokens.weight.detach()
        self.device, self.dtype = self.embedding.device, self.embedding.dtype
        self.heads, self.key_heads = config.num_attention_heads, config.num_key_value_heads
        self.head = getattr(config, "head_dim", None) or config.hidden_size // self.heads
        self.epsilon = config.rms_norm_eps
        self._epsilon = torch.tensor(self.epsilon, device=self.device)
        rope = config.rope_parameters
        self.frequencies = frequencies(rope["rope_theta"], self.head // 2, self.device)
        sections = torch.tensor(rope["mrope_section"])
        self.axis = torch.repeat_interleave(torch.arange(3), sections).to(self.device)
        self.layers = [
            _TextLayer(
                layer.input_layernorm.weight.detach(),
                *paired(
                    joined([layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj], kind),
                    self.heads + self.key_heads,
                    self.head,
                ),
                joined([layer.self_attn.o_proj], kind),
                layer.post_attention_layernorm.weight.detach(),
                joined([layer.mlp.gate_proj, layer.mlp.up_proj], kind),
                joined([layer.mlp.down_proj], kind),
            )
            for layer in body.layers
        ]
        self.norm = body.norm.weight.detach()
        self.score = joined([model.lm_head], kind)

    def angles(self, positions: Tensor) -> Tensor:
        """Rotary angles of tokens at `positions` (3, tokens), as `rotate` wants them."""
        angles = positions[self.axis].T * self.frequencies
        if self.device.type == "cuda" and self.dtype.itemsize == 2:
            return rounded_turns(angles, self.dtype)
        return turns(angles)

    def embed(self, ids: Tensor) -> Tensor:
        """Embeddings of token ids."""
        import torch.nn.functional as F  # noqa: N812

        return F.embedding(ids, self.embedding)

    def forward(
        self,
        x: Tensor,
        angles: Tensor,
        attention: Callable[[int, Tensor, Tensor, Tensor], Tensor],
        asked: Tensor | None = None,
    ) -> Tensor:
        """Run all layers.

        Args:
            x: Embeddings, shape (tokens, width).
            angles: Of their positions.
            attention: Called as `attention(layer, q, k, v)` with shapes (tokens, heads, head width); returns that of q.
            asked: Tokens whose hidden states are wanted; all without it.

        Returns:
            Hidden states before the last norm, shape (tokens asked for, width).
        """
        import torch.nn.functional as F  # noqa: N812

        for index, layer in enumerate(self.layers):
            qkv = layer.qkv(self._normalized(x, layer.norm1)).view(len(x), -1, self.head)
            turned = rotate(qkv[:, : self.heads + self.key_heads], angles, is_paired=layer.is_paired)
            q, k = turned[:, : self.heads], turned[:, self.heads :]
            seen = attention(index, q, k, qkv[:, self.heads + self.key_heads :])
            if asked is not None and index == len(self.layers) - 1:
                x, seen = x[asked], seen[asked]
            x += layer.out(seen.flatten(1))
            gate, up = layer.gate_up(self._normalized(x, layer.norm2)).chunk(2, dim=-1)
            x += layer.down(F.silu(gate) * up)
        return x

    def choose(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Best next token after hidden states (tokens, width), and its log-probability."""
        import torch

        logits = self.score(self._normalized(x, self.norm))
        best, token = logits.max(-1)
        if logits.dtype == torch.float32:
            return token, best - logits.logsumexp(-1)
        sure = logits.log_softmax(-1, dtype=torch.float32)  # one kernel reads 16 bits and writes 32
        return token, sure.gather(-1, token[:, None])[:, 0]

    @property
    def is_recordable(self) -> bool:
        """Whether a step may be recorded as a CUDA graph."""
        linears = [self.score, *(x for y in self.layers for x in (y.qkv, y.out, y.gate_up, y.down))]
        return all(map(is_recordable, linears))

    def _normalized(self, x: Tensor, weight: Tensor) -> Tensor:
        import torch
        import torch.nn.functional as F  # noqa: N812

        if x.dtype == weight.dtype == torch.float32 and not x.is_cuda:  # in two thirds of `rms_norm`'s time
            length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
            mean_square = torch.addcmul(self._epsilon, length, length, value=1 / x.shape[-1])
            return (x * weight).mul_(mean_square.rsqrt_())
        if x.dtype == weight.dtype == torch.float32:
            return F.rms_norm(x, x.shape[-1:], weight, self.epsilon)
        return F.rms_norm(x, x.shape[-1:], None, self.epsilon) * weight  # worked out in 32 bits, rounded, then weighted
