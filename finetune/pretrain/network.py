"""The recogniser's network: a stock Qwen2-VL, and the same computation on packed batches of one fixed shape.

Training runs on many pictures of different sizes at once. The stock forward pass works picture by picture on the host
and pads text to rectangles; here all patches of a batch form one row, all text tokens another, and attention is told
where each sample begins. Shapes are the same in every step, so a block is compiled once. `tests/test_pretrain.py`
checks that the results are those of `Qwen2VLForConditionalGeneration`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.nn.attention.varlen import varlen_attn

from finetune.pretrain.vocabulary import BOS, EOS, IMG, PAD, VE, VID, VS

IMAGE_STD = 0.35
"""Ink is (0 - 1) / 0.35 = -2.9 and paper 0: a blank picture is a zero input (design note: paper = 0 learns at once)."""
HEAD = 64
"""Width of an attention head."""

_attend_packed: Callable[..., Any] = varlen_attn  # its type allows a pair, which it returns on request only
_CAUSAL: dict[str, Any] = (  # PyTorch 2.11 renamed the option
    {"window_size": (-1, 0)} if "window_size" in inspect.signature(varlen_attn).parameters else {"is_causal": True}
)


@dataclass(frozen=True)
class Shape:
    """Size of the network; the defaults have 28.2 M parameters."""

    width: int = 384
    text_layers: int = 6
    text_hidden: int = 1024
    vision_layers: int = 8
    patch: int = 8


def build_network(vocabulary_size: int, shape: Shape) -> Any:
    """Return a `Qwen2VLForConditionalGeneration` with random weights (float32)."""
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    heads = shape.width // HEAD
    text = {
        "vocab_size": vocabulary_size,
        "hidden_size": shape.width,
        "intermediate_size": shape.text_hidden,
        "num_hidden_layers": shape.text_layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "max_position_embeddings": 4096,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "pad_token_id": PAD,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [8, 12, 12]},
        "tie_word_embeddings": True,
    }
    vision = {
        "depth": shape.vision_layers,
        "embed_dim": shape.width,
        "hidden_size": shape.width,
        "num_heads": heads,
        "patch_size": shape.patch,
    }
    config = Qwen2VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=IMG,
        video_token_id=VID,
        vision_start_token_id=VS,
        vision_end_token_id=VE,
        tie_word_embeddings=True,
    )
    return Qwen2VLForConditionalGeneration(config)


def attend(q: Tensor, k: Tensor, v: Tensor, starts: Tensor, longest: int, causal: bool) -> Tensor:
    """Attention inside each of many sequences laid end to end.

    Args:
        q: Queries, shape (tokens, heads, 64).
        k: Keys, same shape.
        v: Values, same shape.
        starts: Shape (sequences + 1,), int32: first token of each sequence, then the end. Empty sequences are allowed.
        longest: Upper bound of a sequence's length.
        causal: Each token sees only itself and those before it.

    Returns:
        Shape (tokens, heads, 64). On a CPU, tokens after the last sequence are zero; on a GPU they are undefined.
    """
    if q.is_cuda:
        result: Tensor = _attend_packed(q, k, v, starts, starts, longest, longest, **(_CAUSAL if causal else {}))
        return result
    out = torch.zeros_like(q)
    for a, b in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        if b > a:
            x, y, z = (t[a:b].transpose(0, 1)[None] for t in (q, k, v))
            out[a:b] = F.scaled_dot_product_attention(x, y, z, is_causal=causal)[0].transpose(0, 1)
    return out


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding. x: (tokens, heads, 64); cos, sin: (tokens, 32), an angle for each pair (j, j + 32)."""
    a, b = x.float().chunk(2, dim=-1)
    c, s = cos[:, None, :], sin[:, None, :]
    return torch.cat((a * c - b * s, b * c + a * s), dim=-1).to(x.dtype)


def vision_angles(rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine for patches at the given rows and columns; each (patches, 32)."""
    inverse = 1.0 / (1e4 ** (torch.arange(0, HEAD // 2, 2, device=rows.device).float() / (HEAD // 2)))
    angle = torch.cat((rows.float()[:, None] * inverse, columns.float()[:, None] * inverse), dim=-1)
    return angle.cos(), angle.sin()


def text_angles(positions: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine for tokens at `positions` (3, tokens): time, row, column in sections of 8, 12, 12 frequencies."""
    inverse = 1.0 / (1e4 ** (torch.arange(0, HEAD, 2, device=positions.device).float() / HEAD))
    section = torch.tensor([0] * 8 + [1] * 12 + [2] * 12, device=positions.device)
    angle = positions.float()[section].T * inverse
    return angle.cos(), angle.sin()


def _vision_block(x: Tensor, cos: Tensor, sin: Tensor, starts: Tensor, longest: int, p: Sequence[Tensor]) -> Tensor:
    n1w, n1b, qkvw, qkvb, ow, ob, n2w, n2b, f1w, f1b, f2w, f2b = (t.to(x.dtype) for t in p)
    width = x.shape[-1]
    h = F.linear(F.layer_norm(x, (width,), n1w, n1b, 1e-6), qkvw, qkvb).view(len(x), 3, -1, HEAD)
    q, k, v = h.unbind(1)
    o = attend(rotate(q, cos, sin), rotate(k, cos, sin), v.contiguous(), starts, longest, False)
    x = x + F.linear(o.reshape(len(x), width), ow, ob)
    h = F.linear(F.layer_norm(x, (width,), n2w, n2b, 1e-6), f1w, f1b)
    return x + F.linear(h * torch.sigmoid(1.702 * h), f2w, f2b)


def rms_norm(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """Root mean square norm, computed in float32 as the stock model does."""
    y = x.float()
    return (y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + epsilon)).to(x.dtype) * weight.to(x.dtype)


def text_qkv(x: Tensor, cos: Tensor, sin: Tensor, p: Sequence[Tensor], epsilon: float) -> tuple[Tensor, Tensor, Tensor]:
    """Rotated queries and keys, and values, of one decoder layer; x: (tokens, width)."""
    norm, qw, qb, kw, kb, vw, vb = (t.to(x.dtype) for t in p[:7])
    h = rms_norm(x, norm, epsilon)
    q, k, v = (F.linear(h, w, b).view(len(x), -1, HEAD) for w, b in ((qw, qb), (kw, kb), (vw, vb)))
    return rotate(q, cos, sin), rotate(k, cos, sin), v


def text_rest(x: Tensor, attended: Tensor, p: Sequence[Tensor], epsilon: float) -> Tensor:
    """What a decoder layer does after its attention; attended: (tokens, heads, 64)."""
    ow, norm, gate, up, down = (t.to(x.dtype) for t in p[7:])
    x = x + F.linear(attended.reshape(len(x), -1), ow)
    h = rms_norm(x, norm, epsilon)
    return x + F.linear(F.silu(F.linear(h, gate)) * F.linear(h, up), down)


def _text_block(x: Tensor, cos: Tensor, sin: Tensor, starts: Tensor, longest: int, p: Sequence[Tensor]) -> Tensor:
    q, k, v = text_qkv(x, cos, sin, p, 1e-5)
    return text_rest(x, attend(q, k, v, starts, longest, True), p, 1e-5)


class PackedNetwork:
    """The forward pass of a Qwen2-VL over packed batches, using (and training) the stock model's own parameters."""

    def __init__(self, model: Any, compiled: bool = False, dtype: torch.dtype = torch.float32) -> None:
        self.model, self.dtype = model, dtype
        self.vision_block = torch.compile(_vision_block, dynamic=False) if compiled else _vision_block
        self.text_block = torch.compile(_text_block, dynamic=False) if compiled else _text_block
        self.merge_tokens = torch.compile(self._merge, dynamic=False) if compiled else self._merge
        vision, text = model.model.visual, model.model.language_model
        self.vision_parameters = [
            [
                *(
                    b.norm1.weight,
                    b.norm1.bias,
                    b.attn.qkv.weight,
                    b.attn.qkv.bias,
                    b.attn.proj.weight,
                    b.attn.proj.bias,
                ),
                *(b.norm2.weight, b.norm2.bias, b.mlp.fc1.weight, b.mlp.fc1.bias, b.mlp.fc2.weight, b.mlp.fc2.bias),
            ]
            for b in vision.blocks
        ]
        self.text_parameters = []
        for layer in text.layers:
            a, m = layer.self_attn, layer.mlp
            ours = [layer.input_layernorm.weight, a.q_proj.weight, a.q_proj.bias, a.k_proj.weight, a.k_proj.bias]
            ours += [a.v_proj.weight, a.v_proj.bias, a.o_proj.weight, layer.post_attention_layernorm.weight]
            self.text_parameters.append([*ours, m.gate_proj.weight, m.up_proj.weight, m.down_proj.weight])

    def see(self, ink: Tensor, rows: Tensor, columns: Tensor, starts: Tensor, longest: int) -> Tensor:
        """Visual tokens of packed patches.

        Args:
            ink: Shape (patches, patch * patch), uint8, 255 = ink; four neighbours (a merge cell) follow each other.
            rows: Row of each patch in its picture.
            columns: Column of each patch in its picture.
            starts: First patch of each picture.
            longest: Upper bound of patches in a picture.

        Returns:
            Shape (patches / 4, width).
        """
        vision = self.model.model.visual
        kernel = vision.patch_embed.proj.weight.flatten(3).sum((1, 2))  # grey: three equal channels, two equal frames
        x = F.linear((ink.to(self.dtype) * (-1 / (255 * IMAGE_STD))), kernel.to(self.dtype))
        cos, sin = vision_angles(rows, columns)
        for p in self.vision_parameters:
            x = self.vision_block(x, cos, sin, starts, longest, p)
        merger = vision.merger
        first, second = merger.mlp[0], merger.mlp[2]
        p = [merger.ln_q.weight, merger.ln_q.bias, first.weight, first.bias, second.weight, second.bias]
        merged: Tensor = self.merge_tokens(x, p)
        return merged

    @staticmethod
    def _merge(x: Tensor, p: Sequence[Tensor]) -> Tensor:
        nw, nb, w1, b1, w2, b2 = (t.to(x.dtype) for t in p)
        h = F.layer_norm(x, (x.shape[-1],), nw, nb, 1e-6).view(-1, w1.shape[1])
        return F.linear(F.gelu(F.linear(h, w1, b1)), w2, b2)

    def read(
        self, visual: Tensor, ids: Tensor, places: Tensor, positions: Tensor, starts: Tensor, longest: int
    ) -> Tensor:
        """Hidden states of packed text tokens.

        Args:
            visual: Shape (cells, width), from `see`.
            ids: Shape (tokens,), token ids.
            places: Shape (cells,): the text token that each cell fills; unused cells point at the last token.
            positions: Shape (3, tokens).
            starts: First token of each sample.
            longest: Upper bound of tokens in a sample.
        """
        text = self.model.model.language_model
        x = F.embedding(ids, text.embed_tokens.weight).to(self.dtype)
        x = x.index_copy(0, places, visual.to(self.dtype))
        cos, sin = text_angles(positions)
        for p in self.text_parameters:
            x = self.text_block(x, cos, sin, starts, longest, p)
        return rms_norm(x, text.norm.weight, 1e-5)

    def score(self, hidden: Tensor) -> Tensor:
        """Logits over the vocabulary (float32) of hidden states (tokens, width)."""
        return F.linear(hidden, self.model.model.language_model.embed_tokens.weight.to(hidden.dtype)).float()
