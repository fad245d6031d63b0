"""Answers as the model should write them: parsed, in one spelling, within its vocabulary."""

from __future__ import annotations

import re
from typing import Any

from docproc.latex.canonical import recognition_target
from docproc.latex.check import check
from docproc.latex.tokens import split_latex
from docproc.recognition import TOKENS_AT_MOST

_WRAPPED = re.compile(
    r"^\s*(?:\$\$(?P<a>.*)\$\$|\$(?P<b>.*)\$|\\\[(?P<c>.*)\\\]|\\\((?P<d>.*)\\\)"
    r"|\\begin\{(?P<env>equation\*?|displaymath|math)\}(?P<e>.*)\\end\{(?P=env)\})\s*$",
    re.DOTALL,
)


class LabelError(Exception):
    """An answer that cannot be trained on; its text says why."""


def strip_delimiters(text: str) -> str:
    r"""The formula without `$…$`, `$$…$$`, `\[…\]`, `\(…\)` or an equation environment around it."""
    found = _WRAPPED.match(text)
    if found is None:
        return text.strip()
    return next(found.group(name) for name in "abcde" if found.group(name) is not None).strip()


class Labels:
    """Spells answers for one model.

    Args:
        tokenizer: Of the model.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        # The built-in model reads and writes LaTeX tokens with blanks between them; general models write LaTeX.
        self._is_by_token = tokenizer.unk_token_id is not None and tokenizer.unk_token_id in tokenizer.encode(
            "ab", add_special_tokens=False
        )

    def prepare(self, text: str) -> str:
        """The answer in the spelling that the model should learn.

        Raises:
            LabelError: It is empty or too long, does not parse, or needs symbols that the model cannot write.
        """
        latex = strip_delimiters(text)
        if not latex:
            raise LabelError("its LaTeX is empty")
        checked = check(latex)
        if not checked.is_valid:
            raise LabelError(f"its LaTeX is not valid: {checked.problems[0]}")
        # What is no usual mathematics (an organisation's own signs) is learned as it is written.
        latex = recognition_target(latex) or latex
        spelled = " ".join(_model_tokens(latex)) if self._is_by_token else latex
        ids = self._tokenizer.encode(spelled, add_special_tokens=False)
        if len(ids) > TOKENS_AT_MOST:
            raise LabelError(f"its LaTeX has over {TOKENS_AT_MOST} tokens, more than recognition writes")
        if self._tokenizer.unk_token_id is not None and self._tokenizer.unk_token_id in ids:
            words = sorted({w for w in _model_tokens(latex) if self._tokenizer.unk_token_id in self._encode(w)})
            raise LabelError(f"the model's vocabulary lacks {' '.join(words)}")
        return spelled

    def _encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False))


def _model_tokens(latex: str) -> list[str]:
    """Tokens of the starter model's vocabulary, which has `_{` and `^{` as one."""
    tokens: list[str] = []
    for token in split_latex(latex):
        if token == "{" and tokens and tokens[-1] in ("_", "^"):
            tokens[-1] += token
        else:
            tokens.append(token)
    return tokens
