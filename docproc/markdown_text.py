r"""Text and LaTeX inside Markdown: what must be escaped, and how a formula is written.

Source: CommonMark 0.31 sections 2.4 (backslash escapes) and 6.1 (code spans); GitHub's and Pandoc's rules for `$…$`.
"""

from __future__ import annotations

import re

from docproc.numbered_rows import tag_rows
from docproc.records import BOLD_CLOSE, BOLD_OPEN, CODE_CLOSE, CODE_OPEN, PageKind, Status, StoredFormula
from docproc.references import split_numbers

_SPECIAL = re.compile(r"[\\`*_\[\]<>$~|]|&(?=[#\w]+;)")
_LINE_START = re.compile(r"^(\s*)(?:(#{1,6}(?=\s|$)|[-+=](?=[\s=-]|$))|(\d{1,9})([.)](?=\s|$)))")
_CODE = re.compile(f"{CODE_OPEN}([^{CODE_CLOSE}]*){CODE_CLOSE}")
_COMMENT = re.compile(r"(?<!\\)((?:\\\\)*)%.*")
_DOLLAR = re.compile(r"(?<!\\)((?:\\\\)*)\$+")
_ARRAY = re.compile(r"(\\begin\s*\{(?:array|tabular)\}\s*(?:\[\w\])?\s*\{[^{}]*\})")
_BAR = re.compile(r"(\\?)\|")
_POINTS_PER_CM = 72 / 2.54


def escape_text(text: str) -> str:
    """Write plain text so that Markdown shows it as it is; code in a sentence becomes a code span."""
    parts = _CODE.split(text)
    for i, part in enumerate(parts):
        parts[i] = code_span(part) if i % 2 else _SPECIAL.sub(r"\\\g<0>", part)
    return "".join(parts).replace(BOLD_OPEN, "**").replace(BOLD_CLOSE, "**")


def escape_start(line: str) -> str:
    """Keep the start of a paragraph from being taken for a heading, a list or a rule; `line` is escaped otherwise."""
    match = _LINE_START.match(line)
    if match is None:
        return line
    mark = f"\\{match[2]}" if match[2] else f"{match[3]}\\{match[4]}"
    return match[1] + mark + line[match.end() :]


def code_span(text: str) -> str:
    """A code span whose fence is longer than any run of backticks in it."""
    text = " ".join(text.split())
    if not text:
        return ""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if "`" in (text[0], text[-1]) else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def code_block(text: str, language: str = "") -> str:
    """A fenced block; the text is kept as it is."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


def split_delimiters(delimiters: str) -> tuple[str, str]:
    r"""The opening and closing part of `$…$`, `\(…\)` or `\(...\)`.

    Raises:
        ValueError: There is no ellipsis between two parts.
    """
    for ellipsis in ("…", "..."):
        opening, found, closing = delimiters.partition(ellipsis)
        if found and opening.strip() and closing.strip():
            return opening, closing
    raise ValueError(f"delimiters are written like $…$ with an ellipsis between them, not {delimiters!r}")


def formula_markdown(
    stored: StoredFormula,
    delimiters: str,
    *,
    page_kind: PageKind | None = None,
    labels: list[str] | None = None,
    is_display: bool = False,
    in_table: bool = False,
) -> str:
    """Write one formula.

    A formula that could not be read stays visible as a bold note with its place and id, one that is no valid LaTeX as
    code; a doubtful one carries its problems in an HTML comment.

    Args:
        stored: With the reviewer's LaTeX, if any.
        delimiters: Of its kind, e.g. `$$…$$`.
        page_kind: Sizes on pictures are pixels.
        labels: Further equation numbers of its lines.
        is_display: On lines of its own.
        in_table: A bar would end the table's cell.
    """
    formula = stored.formula
    is_reviewed = stored.corrected_latex is not None
    status = Status.VERIFIED if is_reviewed and formula.status is not Status.REJECTED else formula.status
    latex = _clean(stored.best_latex)
    comment = f"<!-- docproc {stored.id}: {_comment_text(status.value, formula.problems)} -->"
    if status is Status.REJECTED:
        return comment
    if status is Status.FAILED or not latex:
        return (
            f"**[formula not read: page {stored.page_number}, {_size(stored, page_kind)}, docproc show {stored.id}]**"
        )
    if status is Status.INVALID:
        code = code_block(latex, "latex") + "\n" if is_display else code_span(latex)
        return (code.replace("|", "\\|") if in_table else code) + comment
    opening, closing = split_delimiters(delimiters)
    if "$" in opening:
        latex = _without_dollars(latex)
    if in_table:
        latex = _without_bars(latex)
    note = comment if status is Status.SUSPECT else ""
    if not is_display:
        return f"{opening}{latex}{closing}{note}"
    numbers = [_tag_text(n) for n in (*split_numbers(formula.equation_number or ""), *(labels or [])) if n]
    if numbers and r"\tag" not in latex:
        tagged = tag_rows(latex, numbers) if len(numbers) > 1 else None
        latex = tagged or rf"{latex} \tag{{{', '.join(numbers)}}}"
    return f"{opening}\n{latex}\n{closing}{note}"


def _clean(latex: str) -> str:
    """One line: blank lines end mathematics, and a comment would swallow what follows."""
    return " ".join(_COMMENT.sub(r"\1", latex).split())


def _without_dollars(latex: str) -> str:
    r"""Mathematics inside `\text{…}` is opened with `\(`: a dollar would end the formula."""
    count = 0

    def replaced(match: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return match[1] + (r"\(" if count % 2 else r"\)")

    return _DOLLAR.sub(replaced, latex)


def _without_bars(latex: str) -> str:
    """Write bars by name; those of a column specification, which have none, are escaped for the table."""
    parts = _ARRAY.split(latex)
    for i, part in enumerate(parts):
        if i % 2:
            parts[i] = part.replace("|", r"\|")
        else:
            parts[i] = _BAR.sub(lambda m: r"\Vert " if m[1] else r"\vert ", part)
    return "".join(parts).strip()


def _tag_text(number: str) -> str:
    return re.sub(r"[_&%#$]", r"\\\g<0>", re.sub(r"[\\{}^~]", "", number))


def _comment_text(status: str, problems: tuple[str, ...]) -> str:
    text = f"{status}: {'; '.join(problems)}" if problems else status
    return re.sub(r"-(?=-)", "- ", " ".join(text.split())).replace(">", "›").rstrip("-")


def _size(stored: StoredFormula, page_kind: PageKind | None) -> str:
    width, height = stored.formula.box.width, stored.formula.box.height
    if page_kind is PageKind.IMAGE:
        return f"{width:.0f}×{height:.0f} pixels"
    return f"{width / _POINTS_PER_CM:.1f}×{height / _POINTS_PER_CM:.1f} cm"
