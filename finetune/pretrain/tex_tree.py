"""Build a small TeX tree that runs on any x86-64 Linux machine, even one without TeX: OUT/bin/pdflatex FILE.

    python -m finetune.pretrain.tex_tree OUT [--families cm,lm,...] [--pages [--documents N]]

It needs TeX Live (with fonts-extra, science, plain-generic) where it is built. The tree holds pdftex with its own C
library and loader, the LaTeX format, and just those packages, metrics and Type 1 outlines that a test document of every
font family opened. With `--pages` it also holds what whole documents of the `dev` split open (pages.py); an unusual
size of an unusual font may be missing from it: TeX then stops at that document, and pages.py passes it over.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from finetune.pretrain.page_families import draw_recipe
from finetune.pretrain.page_formulas import FormulaPool, load_formulas
from finetune.pretrain.page_tex import write_source
from finetune.pretrain.pages import BINHEX
from finetune.pretrain.prose_source import ProseSource
from finetune.pretrain.typeset import FAMILIES

_SAMPLE_FORMULAS = Path(__file__).parents[2] / "samples/formulas/formulas.jsonl"
_ALPHABETS = ("mathbf", "mathrm", "mathit", "mathsf", "mathtt", "mathcal", "mathbb", "mathfrak")
_CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_TEST = (
    r"\alpha\hbar\sum\int\oint\leq\in\nabla\infty\nvDash x^{x^{x}}_{y_y}"
    + "".join(rf"\{a}{{{_CAPITALS}}}" for a in _ALPHABETS)
    + r"\bm{\alpha x}\widehat{xyz}\sqrt[3]{x}\left(\frac{\frac xy}z\right)\begin{cases}a&b\\c&d\end{cases}"
    + r"\text{a \textbf{b} \textit{i} \textsf{s} \texttt{t} \textsc{c}}\ce{^{227}_{90}Th+ ->[a] SO4^2- v ^ <=> H2O}"
)
_SIZES = ("tiny", "scriptsize", "footnotesize", "small", "normalsize", "large", "Large", "LARGE", "huge")
_EXTRA = ("size10.clo", "size11.clo", "size12.clo", "cancel.sty", "pdftexconfig.tex")
_SETTINGS = {
    "TEXINPUTS": "tex",
    "TFMFONTS": "fonts/tfm",
    "VFFONTS": "fonts/vf",
    "T1FONTS": "fonts/type1",
    "ENCFONTS": "fonts/enc",
    "TEXFONTMAPS": "fonts/map",
    "CMAPFONTS": "fonts/cmap",
    "TEXFORMATS": "web2c",
}
_LATIN_MODERN = {
    "rm": "lmr10", "bx": "lmbx10", "ti": "lmri10", "sl": "lmro10", "cc": "lmcsc10", "bi": "lmbxi10", "bl": "lmbxo10",
    "tt": "lmtt10", "it": "lmtti10", "st": "lmtto10", "ss": "lmss10", "si": "lmsso10", "sx": "lmssbx10",
    "so": "lmssbo10",
}  # fmt: skip
_MEMORY = """openin_any=a
openout_any=p
shell_escape=f
main_memory=5000000
font_mem_size=8000000
font_max=9000
hash_extra=600000
pool_size=6250000
max_strings=500000
buf_size=2000000
trie_size=1000000
hyph_size=8191
nest_size=1000
max_in_open=50
param_size=20000
save_size=100000
stack_size=10000
"""
_START = """#!/bin/sh
R=$(cd "$(dirname "$0")/.." && pwd); export TEXMFCNF=$R/texmf/web2c TEXMFMAIN=$R/texmf MKTEXPK=0
exec $R/lib/ld-linux-x86-64.so.2 --library-path $R/lib"""
_LAUNCHERS = {
    "pdflatex": f'{_START} $R/bin/pdftex.bin -progname=pdflatex "$@"\n',
    "kpsewhich": f'{_START} $R/bin/kpsewhich.bin "$@"\n',
}


def build_tree(out: Path, families: dict[str, str], documents: int = 0) -> None:
    """Write the tree to `out` (replaced if there).

    Args:
        out: Folder.
        families: Preambles of font families, for single formulas.
        documents: How many whole documents to look at for what their pages need; 0 for single formulas only.
    """
    shutil.rmtree(out, ignore_errors=True)
    tree = out / "texmf"
    names: set[str] = set()
    for file in sorted(_opened_files(families) | _opened_by_documents(documents)):
        place = re.search(r"/(?:texmf-dist|texmf|texmf-var)/((?:tex|fonts)/.*)$", file)
        if place and not file.endswith((".map", "pk")):
            _put(Path(file), tree / place[1], names)
    _add_fonts(tree, names)
    _put(Path(_find("pdflatex.fmt", "-engine=pdftex")), tree / "web2c/pdftex/pdflatex.fmt", names)
    paths = "".join(f"{key}=.;$TEXMF/{value}//\n" for key, value in _SETTINGS.items())
    (tree / "web2c/texmf.cnf").write_text("TEXMF={!!$TEXMFMAIN}\nTEXMFDBS={!!$TEXMFMAIN}\n" + paths + _MEMORY)
    _add_program(out)
    listing = "".join(
        f"./{os.path.relpath(root, tree)}:\n" + "\n".join(sorted(folders + files)) + "\n\n"
        for root, folders, files in os.walk(tree)
    )
    (tree / "ls-R").write_text("% ls-R -- filename database for kpathsea; do not change this line.\n" + listing)


def _opened_files(families: dict[str, str]) -> set[str]:
    """Every file that a test document in each family and document size reads."""
    found: set[str] = set()
    body = "\n\n".join(f"{{\\{s}{bold}\\[{_TEST}\\]}}" for s in _SIZES for bold in ("", r"\boldmath"))
    with tempfile.TemporaryDirectory() as folder:
        for name, family in families.items():
            script = "" if name.startswith("stix") else r"\usepackage{mathrsfs}"
            extra = r"\usepackage{mathtools,bm,xcolor,graphicx,array}\usepackage[version=4]{mhchem}" + script
            for points in (10, 11, 12):
                text = rf"\documentclass[{points}pt]{{article}}{family}{extra}\begin{{document}}{body}\end{{document}}"
                found |= _opened_by(text, Path(folder))
    return found | {p for p in (_find(x) for x in _EXTRA) if p}


def _opened_by_documents(count: int) -> set[str]:
    """Every file that documents of the `dev` split read, as pages.py writes them."""
    if not count:
        return set()
    formulas = load_formulas([_SAMPLE_FORMULAS], "dev")
    found: set[str] = set()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "binhex.tex").write_text(BINHEX, encoding="ascii")
        for seed in range(count):
            recipe = draw_recipe(seed, "dev")
            if recipe.family.engine == "pdflatex":
                pool = FormulaPool(formulas, seed)
                has_formulas = seed % 8 > 0
                source = write_source(recipe, ProseSource(seed, "dev"), pool, seed, 6, formulas=has_formulas)
                found |= _opened_by(source.tex, Path(folder))
    return found


def _opened_by(text: str, folder: Path) -> set[str]:
    """Every file that a document reads."""
    (folder / "t.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-recorder", "-draftmode", "-interaction=batchmode", "t"]
    environment = {**os.environ, "MKTEXPK": "0"}
    subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    lines = (folder / "t.fls").read_text().splitlines()
    for rest in folder.glob("t.*"):
        rest.unlink()
    return {os.path.normpath(x[6:]) for x in lines if x.startswith("INPUT /")}


def _find(name: str, *options: str) -> str:
    return subprocess.run(["kpsewhich", *options, name], capture_output=True, text=True, check=False).stdout.strip()


def _put(source: Path, target: Path, names: set[str]) -> None:
    if target.name not in names:
        names.add(target.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source.resolve(), target)


def _add_fonts(tree: Path, names: set[str]) -> None:
    """Follow virtual fonts to their parts; add the Type 1 outlines and encodings of all metrics, and a map of them."""
    todo, done = [p.stem for p in tree.rglob("*.tfm")], set()
    while todo:
        name = todo.pop()
        if name in done:
            continue
        done.add(name)
        if metrics := _find(name + ".tfm"):
            _put(Path(metrics), tree / f"fonts/tfm/x/{name}.tfm", names)
        if virtual := _find(name + ".vf"):
            _put(Path(virtual), tree / f"fonts/vf/x/{name}.vf", names)
            todo += _virtual_parts(Path(virtual).read_bytes())
    lines = Path(_find("pdftex.map", "-format=map")).read_text(errors="replace").splitlines()
    of_font = {x.split()[0]: x for x in lines if x.strip() and x[0] not in "% " and re.search(r"\.pf[ab]", x)}
    kept = [of_font[name] for name in sorted(done) if name in of_font]
    kept += filter(None, (_stand_in(name, of_font) for name in sorted(done - of_font.keys())))
    for line in kept:
        for file in re.findall(r"[\w.-]+\.(?:pf[ab]|enc)", line):
            if source := _find(file) or _find(file, "-format=enc files"):
                _put(Path(source), tree / ("fonts/enc/x" if file.endswith("enc") else "fonts/type1/x") / file, names)
    (tree / "fonts/map").mkdir(parents=True)
    (tree / "fonts/map/pdftex.map").write_text("\n".join(kept) + "\n")


def _stand_in(name: str, of_font: dict[str, str]) -> str | None:
    """Map line of a Latin Modern font for a European Computer Modern font, which comes as bitmaps made when needed."""
    match = re.fullmatch(r"(ec|tc)([a-z]{2})\d{4}", name)
    other = match and _LATIN_MODERN.get(match[2])
    line = of_font.get(f"{'ec' if match[1] == 'ec' else 'ts1'}-{other}") if match and other else None
    return f"{name} {line.split(maxsplit=1)[1]}" if line else None


def _virtual_parts(data: bytes) -> list[str]:
    """Names of the fonts that a virtual font draws from (VF format: fnt_def opcodes 243 to 246)."""
    i, parts = 3 + data[2] + 8, []
    while 243 <= data[i] <= 246:
        j = i + data[i] - 242 + 13
        k = j + 2 + data[j]
        i = k + data[j + 1]
        parts.append(data[k:i].decode("latin1"))
    return parts


def _add_program(out: Path) -> None:
    for folder in ("bin", "lib"):
        (out / folder).mkdir()
    for program in ("pdftex", "kpsewhich"):
        binary = shutil.which(program) or sys.exit(f"Error: {program} is not installed.")
        libraries = subprocess.run(["ldd", binary], capture_output=True, text=True, check=True).stdout
        for library in re.findall(r"(/\S+\.so\S*)", libraries):
            shutil.copy(Path(library).resolve(), out / "lib" / Path(library).name)
        shutil.copy(Path(binary).resolve(), out / f"bin/{program}.bin")
    for name, text in _LAUNCHERS.items():
        (out / "bin" / name).write_text(text)
    for file in [*(out / "lib").iterdir(), *(out / "bin").iterdir()]:
        file.chmod(0o755)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--families", default=",".join(FAMILIES), help="comma-separated keys of typeset.FAMILIES")
    parser.add_argument("--pages", action="store_true", help="whole documents too (pages.py), families of `dev`")
    parser.add_argument("--documents", type=int, default=120, help="how many to look at for what they open")
    options = parser.parse_args()
    families = {name: FAMILIES[name] for name in options.families.split(",") if name}
    build_tree(options.out, families, options.documents if options.pages else 0)


if __name__ == "__main__":
    main()
