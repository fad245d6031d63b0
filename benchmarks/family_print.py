r"""Whether two formulas print the same in the fonts of a generated page, like `\mathsf{n}` and `\mathrm{n}` in some."""

from __future__ import annotations

import random

from docproc.render_match import is_safe, look_equal, page_ink
from finetune.pretrain.page_families import FAMILIES, Recipe, draw_recipe
from finetune.pretrain.page_tex import write_head
from finetune.pretrain.pages import run_tex

_DPI = 250


def prints_alike(truth: str, latex: str, seed: int, recipe_name: str, *, is_display: bool) -> bool | None:
    """Typeset two formulas as a document of the generator sets them and compare the pictures.

    Args:
        truth: One formula.
        latex: The other.
        seed: Of the document.
        recipe_name: Its class, family, size and columns.
        is_display: How they are set.

    Returns:
        Whether they show the same symbols in the same places, small spaces aside; None if one could not be set, or
        fonts are missing here that the document had.
    """
    import pymupdf

    recipe = _recipe_of(seed, recipe_name)
    if recipe is None or not is_safe(truth) or not is_safe(latex):
        return None
    style = r"\displaystyle " if is_display else ""
    pages = "".join(rf"\clearpage\thispagestyle{{empty}}\noindent ${style}{one}$" + "\n" for one in (truth, latex))
    head = write_head(recipe, random.Random(seed))
    pdf, _ = run_tex(recipe, f"{head}\\begin{{document}}\n{pages}\\end{{document}}\n")
    if pdf is None:
        return None
    with pymupdf.open("pdf", pdf) as document:
        pictures = [page_ink(page, _DPI) for page in document]
    return look_equal(*pictures) if len(pictures) == 2 else None


def _recipe_of(seed: int, name: str) -> Recipe | None:
    drawn = (draw_recipe(seed, split) for split in FAMILIES)
    return next((recipe for recipe in drawn if recipe.name == name), None)
