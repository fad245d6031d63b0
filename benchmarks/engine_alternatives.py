"""What else could run the built-in model's vision blocks on a CPU: the measurements behind docs/engine.md.

The eight blocks are most of the work (28 of 33 million operations a patch). Times are of all threads' work (CPU time),
the least of some runs, so that what runs beside disturbs little. ONNX Runtime needs the package onnx to build its graph
and is left out where that is missing; torch.compile needs a C++ compiler on the user's machine, and minutes.

    python -m benchmarks.engine_alternatives [--threads 1] [--compile] [--json]
"""

from __future__ import annotations

import importlib.util
import json
import time
from collections.abc import Callable
from typing import Any

import click
import numpy as np

# Pictures and patches of each: inline formulas, a display.
SHAPES = {"16 pictures of 32 patches": (16, 32), "2 pictures of 480 patches": (2, 480)}
RUNS = 5


def least_cpu_ms(action: Callable[[], Any]) -> float:
    """Milliseconds of CPU time of the quickest run."""
    action()
    times = []
    for _ in range(RUNS):
        begun = time.process_time()
        action()
        times.append(time.process_time() - begun)
    return 1000 * min(times)


def tower(dtype: Any, kind: Any) -> Any:
    """The engine's vision tower of the built-in model."""
    from docproc.checkpoints import load_model_and_processor
    from docproc.engine.layout import Layout
    from docproc.engine.network import VisionTower

    loaded = load_model_and_processor("built-in", "cpu", dtype=dtype)
    return VisionTower(loaded.model, Layout.of(loaded.processor, loaded.model.config), kind)


def inputs(count: int, patches: int) -> tuple[Any, ...]:
    """Random pictures, two cells high."""
    import torch

    from docproc.engine.attention import Sequences

    random = np.random.default_rng(0)
    grey = torch.from_numpy(random.integers(0, 256, (count * patches, 64), np.uint8))
    place = torch.arange(count * patches) % patches
    return grey, place % 4, place // 4, Sequences.of([patches] * count, torch.device("cpu"))


def onnx_session(blocks: Any, heads: int, threads: int, quantized: bool) -> Any:
    """ONNX Runtime with its own fused kernels for the same blocks; input (pictures, patches, width), cosines, sines."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    nodes, weights = [], []

    def weight(name: str, array: np.ndarray) -> str:
        weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(kind: str, given: list[str], out: str, domain: str = "", **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, given, [out], domain=domain, **attributes))
        return out

    def linear(x: str, layer: Any, name: str) -> str:
        matrix, bias = layer.weight.detach().numpy().T, weight(name + ".b", layer.bias.detach().numpy())
        if not quantized:
            return node("Add", [node("MatMul", [x, weight(name + ".w", matrix)], name + ".m"), bias], name)
        scale = np.abs(matrix).max(0) / 127
        whole = weight(name + ".w", np.round(matrix / scale).astype(np.int8))
        zero = weight(name + ".z", np.zeros(len(scale), np.int8))
        given = [x, whole, weight(name + ".s", scale.astype(np.float32)), zero, bias]
        return node("DynamicQuantizeMatMul", given, name, "com.microsoft")

    def norm(x: str, layer: Any, name: str) -> str:
        given = [
            x,
            weight(name + ".w", layer.weight.detach().numpy()),
            weight(name + ".b", layer.bias.detach().numpy()),
        ]
        return node("LayerNormalization", given, name, axis=-1, epsilon=1e-6)

    def turned(x: str, name: str) -> str:
        shaped = node("Reshape", [x, "by_head"], name + ".h")
        nodes.append(helper.make_node("Split", [shaped], [name + ".a", name + ".c"], axis=-1, num_outputs=2))
        other = node("Concat", [node("Neg", [name + ".c"], name + ".n"), name + ".a"], name + ".o", axis=-1)
        parts = [node("Mul", [shaped, "cosines"], name + ".x"), node("Mul", [other, "sines"], name + ".y")]
        return node("Reshape", [node("Add", parts, name + ".t"), "flat"], name)

    weight("by_head", np.array([0, 0, heads, -1]))
    weight("flat", np.array([0, 0, -1]))
    x = "x"
    for i, block in enumerate(blocks):
        name = f"block{i}"
        qkv = linear(norm(x, block.norm1, name + ".n1"), block.attn.qkv, name + ".qkv")
        nodes.append(helper.make_node("Split", [qkv], [name + ".q", name + ".k", name + ".v"], axis=-1, num_outputs=3))
        given = [turned(name + ".q", name + ".qt"), turned(name + ".k", name + ".kt"), name + ".v"]
        seen = node("MultiHeadAttention", given, name + ".att", "com.microsoft", num_heads=heads)
        x = node("Add", [x, linear(seen, block.attn.proj, name + ".out")], name + ".x1")
        up = linear(norm(x, block.norm2, name + ".n2"), block.mlp.fc1, name + ".up")
        up = node("QuickGelu", [up], name + ".act", "com.microsoft", alpha=1.702)
        x = node("Add", [x, linear(up, block.mlp.fc2, name + ".down")], name + ".x2")
    kinds = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in ("x", "cosines", "sines")]
    out = helper.make_tensor_value_info(x, TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "vision", kinds, [out], weights)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def measure(threads: int, is_compiled: bool) -> list[dict[str, Any]]:
    """Milliseconds of each way, and how far its result is from float32."""
    import torch

    from docproc.checkpoints import load_model_and_processor
    from docproc.engine.linear import FloatLinear, Int8Linear

    torch.set_num_threads(threads)
    exact = tower(torch.float32, FloatLinear)
    ways: dict[str, Any] = {
        "float32": exact,
        "bfloat16": tower(torch.bfloat16, FloatLinear),
        "int8, a scale a row (chosen)": tower(torch.float32, Int8Linear),
    }
    if is_compiled:
        ways["float32, torch.compile"] = torch.compile(tower(torch.float32, FloatLinear), dynamic=False)
    rows = []
    with torch.inference_mode():
        for name, way in ways.items():
            row: dict[str, Any] = {"way": name}
            for label, shape in SHAPES.items():
                given = inputs(*shape)
                row[label] = round(least_cpu_ms(lambda: way(*given)), 1)  # noqa: B023
                wanted, got = exact(*given), way(*given).float()
                row[f"error, {label}"] = round(float((got - wanted).norm() / wanted.norm()), 4)
            rows.append(row)
    if importlib.util.find_spec("onnx") is not None:
        visual = load_model_and_processor("built-in", "cpu").model.model.visual
        random = np.random.default_rng(0)
        for quantized in (False, True):
            row = {"way": "ONNX Runtime, " + ("int8, a scale a batch" if quantized else "float32") + ", blocks only"}
            session = onnx_session(visual.blocks, exact.heads, threads, quantized)
            for label, (count, patches) in SHAPES.items():
                angles = random.random((count, patches, 1, exact.width // exact.heads), np.float32)
                given = {"x": random.random((count, patches, exact.width), np.float32)}
                given |= {"cosines": np.cos(angles), "sines": np.sin(angles)}
                row[label] = round(least_cpu_ms(lambda: session.run(None, given)), 1)  # noqa: B023
            rows.append(row)
    return rows


@click.command()
@click.option("--threads", type=int, default=1, show_default=True)
@click.option("--compile", "is_compiled", is_flag=True, help="Measure torch.compile too.")
@click.option("--json", "as_json", is_flag=True)
def main(threads: int, is_compiled: bool, as_json: bool) -> None:
    """Print CPU milliseconds of the vision tower, done in several ways."""
    rows = measure(threads, is_compiled)
    if as_json:
        click.echo(json.dumps({"threads": threads, "rows": rows}))
        return
    for row in rows:
        click.echo("  ".join(f"{name} {value}" for name, value in row.items()))


if __name__ == "__main__":
    main()
