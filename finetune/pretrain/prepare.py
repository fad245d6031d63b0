"""Make the data folder of a training run out of the corpora.

    python -m finetune.pretrain.prepare --formulas A.jsonl.xz B.jsonl.xz --handwriting H.jsonl.xz --out DATA

It writes formulas.jsonl.xz (training formulas with their targets), heldout.jsonl.xz, handwriting.jsonl.xz, heldout.zip
(pictures), glyphs.json (classes of the auxiliary loss), pen_symbols.json, hands.json if given, and tokenizer.json: a
copy of `--tokenizer`, as every later round must have, or a new one. It takes a few minutes on one core.
"""

from __future__ import annotations

import argparse
import collections
import json
import random
import shutil
import unicodedata
from pathlib import Path

from docproc.latex.canonical import recognition_target
from finetune.pretrain.crops import read_glyphs
from finetune.pretrain.grammar import Grammar
from finetune.pretrain.heldout import draw_from_pages, make_sets, save_sets
from finetune.pretrain.ink import load_inks
from finetune.pretrain.pen_fonts import load_hands
from finetune.pretrain.pen_symbols import hershey_symbols, load_drawn, save_drawn
from finetune.pretrain.sources import Formula, read_formulas, save_formulas, split_formulas
from finetune.pretrain.typeset import FAMILIES, Job, typeset
from finetune.pretrain.vocabulary import build_tokenizer, choose_words, split_target

MOST_CLASSES = 320
FEWEST_SEEN = 20
"""A glyph must occur this often in the counting run to have a class."""


CHEMICAL_FORMULAS = 8_000
"""Random ones, made here and not during training: their targets need mhchem, which asks for QuickJS."""


def draw_chemistry(count: int) -> list[Formula]:
    """Random molecules and reactions with their targets."""
    rng = random.Random(4)
    grammar = Grammar(rng)
    found = {}
    for _ in range(count):
        latex = grammar.chemistry(rng.choice([4, 4, 6, 12]))
        target = recognition_target(latex)
        if target:
            found[target] = Formula(latex, target, rng.random() < 0.3, "random chemistry")
    return list(found.values())


def glyph_classes(formulas: list[Formula], program: str = "pdflatex") -> dict[int, int]:
    """Code point to class, over 500 random and 300 real formulas in every font family.

    Families that name italic letters by Unicode's mathematical alphabets share the classes of the plain letters.
    """
    rng = random.Random(3)
    grammar = Grammar(rng)
    jobs = [Job(grammar.formula(rng.choice([2, 3, 5, 8, 13]))) for _ in range(500)]
    jobs += [Job(f.latex) for f in rng.sample(formulas, min(300, len(formulas)))]
    import pymupdf

    counts: collections.Counter[int] = collections.Counter()
    for family in FAMILIES:
        sheet = typeset(jobs, family=family, program=program)
        if sheet is None:
            continue
        pdf = pymupdf.open("pdf", sheet.pdf)
        for page, _ in sheet.pages:
            counts.update(glyph[0] for glyph in read_glyphs(pdf[page], 1.0))
        pdf.close()
    folded: collections.Counter[str] = collections.Counter()
    for code, count in counts.items():
        if len(_fold(code)) == 1 and not 0xE000 <= code < 0xF900:  # private codes mean another glyph in every font
            folded[_fold(code)] += count
    frequent = [glyph for glyph, count in folded.most_common(MOST_CLASSES) if count >= FEWEST_SEEN]
    places = {glyph: i for i, glyph in enumerate(frequent)}
    return {code: places[_fold(code)] for code in counts if _fold(code) in places}


def _fold(code: int) -> str:
    return unicodedata.normalize("NFKC", chr(code))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--formulas", type=Path, nargs="+", required=True)
    parser.add_argument("--handwriting", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path)
    parser.add_argument("--hands", type=Path, help="file of pen_fonts.py, for the words of written pages")
    parser.add_argument("--program", default="pdflatex")
    parser.add_argument("--compact", action="store_true", help="a small formulas.jsonl.xz, to travel")
    options = parser.parse_args()
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    train, test = split_formulas(read_formulas(options.formulas))
    if options.tokenizer:
        shutil.copyfile(options.tokenizer, out / "tokenizer.json")
    else:
        build_tokenizer(choose_words(f.target for f in train)).save(str(out / "tokenizer.json"))
    words = json.loads((out / "tokenizer.json").read_text())["model"]["vocab"]
    train += draw_chemistry(CHEMICAL_FORMULAS)
    known = [f for f in train if all(t in words for t in split_target(f.target))]
    save_formulas(known, out / "formulas.jsonl.xz", compact=options.compact)
    save_formulas(test, out / "heldout.jsonl.xz")
    shutil.copyfile(options.handwriting, out / "handwriting.jsonl.xz")
    save_drawn(hershey_symbols(), out / "pen_symbols.json")
    (out / "glyphs.json").write_text(json.dumps({str(k): v for k, v in glyph_classes(known, options.program).items()}))
    if options.hands:
        shutil.copyfile(options.hands, out / "hands.json")
    inks, drawn = load_inks(options.handwriting), load_drawn(out / "pen_symbols.json")
    pictures = make_sets(test, inks) + draw_from_pages(test, inks, load_hands(out / "hands.json", "test"), drawn)
    save_sets(pictures, out / "heldout.zip")
    overlap = {f.target for f in known} & {f.target for f in test if len(split_target(f.target)) > 8}
    shared = sum(f.target in overlap for f in test)
    print(f"{len(known)} formulas for training, {len(train) - len(known)} more have tokens outside the vocabulary")
    print(f"{len(test)} held out ({shared} of over 8 tokens occur in training sources too), {len(pictures)} pictures")


if __name__ == "__main__":
    main()
