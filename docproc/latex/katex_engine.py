"""KaTeX in QuickJS: parses LaTeX mathematics and writes MathML, within limits of time and memory."""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass
from importlib.resources import files
from typing import Any
from xml.sax.saxutils import quoteattr

# A hostile formula may cost this much; a real one takes 0.5 ms, the first call 0.1 s more for loading KaTeX.
TIME_LIMIT_SECONDS = 0.08
MEMORY_LIMIT_BYTES = 256 * 1024 * 1024
# Longer ones take more than the limit; our own parser answers for them.
MAX_KATEX_CHARACTERS = 4_000
_STACK_BYTES = 1024 * 1024

# Real LaTeX that KaTeX lacks, said in what it has; the pictures differ at most in spacing.
_MACROS = {
    r"\mbox": r"\text{#1}", r"\makebox": r"\text{#1}", r"\framebox": r"\fbox{#1}", r"\textsc": r"\text{#1}",
    r"\textsl": r"\textit{#1}", r"\strut": "", r"\null": "", r"\protect": "", r"\displaylimits": "", r"\hfill": "",
    r"\hfil": "", r"\/": "", r"\-": "", r"\break": "", r"\goodbreak": "", r"\mspace": r"\mskip#1",
    r"\centernot": r"\not#1", r"\iiiint": r"\iint\!\!\iint", r"\idotsint": r"\int\cdots\int", r"\ointop": r"\oint",
    r"\hdots": r"\ldots", r"\textbullet": r"\bullet", r"\textdagger": r"\dagger", r"\textdaggerdbl": r"\ddagger",
    r"\textdegree": r"{}^{\circ}", r"\textellipsis": r"\ldots", r"\textless": "<", r"\textgreater": ">",
    r"\textbar": "|", r"\textbardbl": r"\|", r"\textbackslash": r"\backslash", r"\textunderscore": r"\_",
    r"\slash": "/", r"\relbar": "-", r"\Relbar": "=", r"\joinrel": r"\!", r"\iddots": "\u22f0", r"\label": "",
    r"\sl": r"\it", r"\mit": "", r"\cee": r"\ce{#1}", r"\ref": r"\text{#1}", r"\eqref": r"(\text{#1})",
    r"\cite": r"[\text{#1}]", r"\num": "#1", r"\qty": r"#1\,\mathrm{#2}", r"\SI": r"#1\,\mathrm{#2}",
    r"\unit": r"\mathrm{#1}", r"\si": r"\mathrm{#1}", r"\overparen": r"\overgroup{#1}",
    r"\underparen": r"\undergroup{#1}", r"\sideset": "{}#1#2", r"\vspace": "", r"\MakeLowercase": "#1",
    r"\textvisiblespace": r"\text{\textunderscore}", r"\Tilde": r"\tilde{#1}", r"\sp": "^", r"\sb": "_",
}
_ARGUMENT = re.compile(r"#(\d)")
_SHIM = r"""
function docprocMhchem(source) {
  return JSON.stringify(mhchem["\\ce"]({consumeArgs: () => [[{text: source, loc: {start: 0}}]]}));
}
function docprocMathml(latex, isDisplay) {
  try {
    return JSON.stringify({mathml: katex.renderToString(latex, {displayMode: isDisplay, output: "mathml",
      throwOnError: true, strict: "ignore", trust: false, maxExpand: 1000, maxSize: 50,
      macros: Object.assign({}, macros)})});
  } catch (e) {
    return JSON.stringify({message: String(e.rawMessage || e.message || e),
                           position: e.position === undefined ? -1 : e.position});
  }
}
function docprocDump(n) {
  if (n.text !== undefined && n.italic !== undefined)
    return {t: n.text, h: n.height, d: n.depth, w: n.width, i: n.italic, s: n.style};
  const node = {c: n.classes || [], h: n.height, d: n.depth, s: n.style || {}};
  if (n.attributes && n.attributes.viewBox) node.a = n.attributes;
  else if (n.children) node.ch = n.children.map(docprocDump);
  return node;
}
function docprocTree(latex, isDisplay) {
  return JSON.stringify(docprocDump(katex.__renderToHTMLTree(latex, {displayMode: isDisplay, throwOnError: true,
    strict: "ignore", trust: false, maxExpand: 1000, maxSize: 50, macros: Object.assign({}, macros)})));
}
"""
# mhchem defines its macros as functions, which KaTeX keeps to itself.
_CATCH_MHCHEM = """var mhchem = {}, define = katex.__defineMacro;
katex.__defineMacro = (name, body) => { mhchem[name] = body; define(name, body); };"""
_SPEC_FILLERS = re.compile(r"[@!><]\{[^{}]*\}")
_SMALL = re.compile(r"\\(begin|end)\{([pbBvV])smallmatrix\}")
_SMALL_FENCES = {"p": ("(", ")"), "b": ("[", "]"), "B": (r"\{", r"\}"), "v": ("|", "|"), "V": (r"\|", r"\|")}
_ANNOTATION = re.compile(r"<annotation\b.*?</annotation>", re.DOTALL)
_MATH = re.compile(r"<math\b.*</math>", re.DOTALL)
_NO_XML = re.compile("[\x00-\x1f\ud800-\udfff\ufffe\uffff]")
_local = threading.local()
GAVE_UP = "gave up"


@dataclass(frozen=True, slots=True)
class KatexAnswer:
    """MathML, or why there is none."""

    mathml: str
    reason: str = ""
    position: int = -1
    """Index into the source, -1 where KaTeX names none."""


def ask_katex(latex: str, *, is_display: bool = True) -> KatexAnswer:
    """Let KaTeX parse a formula.

    Args:
        latex: A formula that our own parser accepts (its depth and length are bounded there).
        is_display: Typeset as a display rather than in a line.

    Returns:
        Well-formed MathML with the source as `alttext` and without KaTeX's annotation; or the reason against it.
    """
    if len(latex) > MAX_KATEX_CHARACTERS:
        return KatexAnswer("", f"{GAVE_UP}: longer than {MAX_KATEX_CHARACTERS} characters")
    try:
        context = _context()
        answer: dict[str, Any] = json.loads(context.get("docprocMathml")(_adapt(latex), is_display))
    except Exception as error:  # QuickJS raises its own and MemoryError; the context may be broken: make a new one
        _local.context = None
        return KatexAnswer("", f"{GAVE_UP}: {str(error).splitlines()[0][:60] if str(error) else type(error).__name__}")
    if "mathml" in answer:
        return KatexAnswer(_clean(answer["mathml"], latex))
    reason = answer["message"].splitlines()[0]
    return KatexAnswer("", f"{GAVE_UP}: {reason}" if "call stack" in reason else reason, answer["position"])


def katex_tree(latex: str, *, is_display: bool) -> dict[str, Any] | None:
    """Boxes that KaTeX sets a formula in: spans and symbols with their classes, styles and sizes.

    Args:
        latex: A formula that our own parser accepts.
        is_display: Typeset as a display rather than in a line.

    Returns:
        Nodes with `c` (classes), `s` (styles), `h`, `d` (height and depth in em) and `ch` (children); symbols with `t`
        (text), `w` (width) and `i` (italic correction); None where KaTeX cannot read it within its limits.
    """
    if len(latex) > MAX_KATEX_CHARACTERS:
        return None
    try:
        return dict(json.loads(_context().get("docprocTree")(_adapt(latex), is_display)))
    except Exception as error:  # as in ask_katex; an error of KaTeX's leaves the context whole
        if "ParseError" not in str(error):
            _local.context = None
        return None


def expand_mhchem(source: str) -> str | None:
    r"""The LaTeX that mhchem makes of the argument of `\ce`; None if it refuses, or on a machine without QuickJS."""
    try:
        return str(json.loads(_context().get("docprocMhchem")(source)))
    except ImportError:  # a machine that only trains: chemistry was expanded where its data were made
        return None
    except Exception:  # QuickJS raises its own and MemoryError; the context may be broken: make a new one
        _local.context = None
        return None


def _context() -> Any:
    """One QuickJS a thread, made at its first formula."""
    context = getattr(_local, "context", None)
    if context is None:
        import quickjs

        context = quickjs.Context()
        context.set_memory_limit(MEMORY_LIMIT_BYTES)
        context.set_max_stack_size(_STACK_BYTES)
        folder = files("docproc.latex") / "katex"
        context.eval("var window=this,self=this;" + (folder / "katex.min.js").read_text("utf-8"))
        context.eval(_CATCH_MHCHEM)
        context.eval((folder / "mhchem.min.js").read_text("utf-8"))
        context.eval(f"var macros={json.dumps(_MACROS)};{_SHIM}")
        context.set_time_limit(TIME_LIMIT_SECONDS)
        _local.context = context
    return context


def _adapt(latex: str) -> str:
    """Environments and column fillers that KaTeX lacks, in what it has."""
    if "\\begin" not in latex:
        return latex
    latex = latex.replace("{multlined}", "{gathered}")
    latex = _SPEC_FILLERS.sub("", latex)

    def fence(match: re.Match[str]) -> str:
        side, kind = match.groups()
        left, right = _SMALL_FENCES[kind]
        return rf"\left{left}\begin{{smallmatrix}}" if side == "begin" else rf"\end{{smallmatrix}}\right{right}"

    return _SMALL.sub(fence, latex)


def _clean(html: str, latex: str) -> str:
    """The bare <math> element, its source as alternative text."""
    match = _MATH.search(html)
    mathml = _ANNOTATION.sub("", match.group() if match else "").replace("<semantics>", "").replace("</semantics>", "")
    return mathml.replace("<math ", f"<math alttext={quoteattr(printable(latex))} ", 1)


def printable(text: str) -> str:
    """The text with a blank for each character that XML forbids."""
    return _NO_XML.sub(" ", text)
