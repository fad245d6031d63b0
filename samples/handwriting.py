"""The handwritten-looking page of samples/: what it says and where."""

from __future__ import annotations

import cv2
import numpy as np

from samples.strokes import Node, Pen, draw

WIDTH, HEIGHT = 1240, 1100
_SCALE, _PEN_PX = 3.6, 2.0
_LEFT = 110.0

LINES: tuple[tuple[str, str | list[Node], float], ...] = (
    ("text", "Homework 3: integrals", 100),
    ("text", "We integrate by parts:", 200),
    (
        r"\int x e^x dx = x e^x - \int e^x dx",
        ["\\int", "x", "e", ("sup", ["x"], []), "d", "x", "=", "x", "e", ("sup", ["x"], []), "-", "\\int", "e",
         ("sup", ["x"], []), "d", "x"],
        300,
    ),
    (r"= (x - 1) e^x + C", ["=", "(", "x", "-", "1", ")", "e", ("sup", ["x"], []), "+", "C"], 400),
    ("text", "The sum of the first numbers is", 500),
    (
        r"\sum_{k=1}^{n} k = \frac{n(n+1)}{2}",
        [("limits", ["k", "=", "1"], ["n"]), "k", "=", ("frac", ["n", "(", "n", "+", "1", ")"], ["2"])],
        620,
    ),
    ("text", "and for a right angle we have", 740),
    (
        r"a^2 + b^2 = c^2",
        ["a", ("sup", ["2"], []), "+", "b", ("sup", ["2"], []), "=", "c", ("sup", ["2"], [])],
        830,
    ),
    ("text", "Last one, for all lengths:", 920),
    (
        r"\sqrt{x^2 + 1} \le x + 1",
        [("sqrt", ["x", ("sup", ["2"], []), "+", "1"], []), "\\le", "x", "+", "1"],
        1020,
    ),
)  # fmt: skip


def write_page(seed: int) -> tuple[np.ndarray, list[dict[str, object]]]:
    """Write the page.

    Args:
        seed: Of the hand.

    Returns:
        Grey picture of shape (1100, 1240), and one truth row a formula with its box in pixels.
    """
    pen = Pen(seed)
    sheet = np.full((HEIGHT, WIDTH), 255, np.uint8)
    truth: list[dict[str, object]] = []
    for latex, content, y in LINES:
        written = pen.text(content) if isinstance(content, str) else pen.formula(content)
        x = _LEFT if isinstance(content, str) else _LEFT + 90
        draw(sheet, written, x, y, _SCALE, _PEN_PX)
        if not isinstance(content, str):
            x0, y0, x1, y1 = written.bounds()
            half = _PEN_PX / 2
            edges = (x + x0 * _SCALE - half, y + y0 * _SCALE - half, x + x1 * _SCALE + half, y + y1 * _SCALE + half)
            box = [round(edge, 1) for edge in edges]
            truth.append({"page": 1, "kind": "display", "box": box, "latex": latex, "equation_number": None})
    rng = np.random.default_rng(seed)
    paper = cv2.resize(rng.normal(0, 2.5, (HEIGHT // 40, WIDTH // 40)).astype(np.float32), (WIDTH, HEIGHT))
    soft = cv2.GaussianBlur(sheet, (0, 0), 0.7).astype(np.float32) * 0.94 + paper
    return np.clip(soft, 0, 255).astype(np.uint8), truth
