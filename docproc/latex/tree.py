"""A small tree of LaTeX mathematics, made by recursive descent."""

from __future__ import annotations

import re

from docproc.latex.commands import (
    ALPHABETS,
    ARGUMENTS,
    ENVIRONMENT_ARGUMENTS,
    INFIX,
    KNOWN,
    LENGTH_COMMANDS,
    SPACES,
    STYLES,
)
from docproc.latex.nodes import Command, Environment, Fence, Group, LatexError, Node, Scripts, Symbol
from docproc.latex.tokens import MAX_CHARACTERS, join_tokens, split_latex, tokenize

__all__ = ["Command", "Environment", "Fence", "Group", "LatexError", "Node", "Scripts", "Symbol", "parse"]

# Real formulas nest fewer than 30 levels; every level costs a handful of Python frames.
MAX_DEPTH = 50
_NO_BASE = frozenset(SPACES) | STYLES | LENGTH_COMMANDS | {r"\hspace", r"\mspace", r"\\", r"\cr", r"\hline"}
_LIMITS = (r"\limits", r"\nolimits", r"\displaylimits")
_ROW_ENDS = (r"\\", r"\cr", r"\newline")
# What ends a list of items wherever it stands; the last token of all is empty.
_ENDS = frozenset(("", "}", "&", r"\right", r"\middle"))
_NO_ARGUMENT = _ENDS | {r"\\", r"\cr", "^", "_"}
# Most of a formula: tokens that are nothing but themselves wherever they stand, each a symbol that all trees share.
_LEAVES = {text: Symbol(text) for text in (KNOWN | set(map(chr, range(33, 127)))).difference(
    "{}&^_']\\", _ENDS, _ROW_ENDS, _LIMITS, INFIX, ARGUMENTS, LENGTH_COMMANDS, [r"\left"])}
_GAP = re.compile(
    r"[-+]?\d*\.?\d*\s*(?:pt|em|ex|mm|cm|in|pc|mu|bp|sp|\\(?:baselineskip|jot|lineskip|parskip|smallskipamount"
    r"|medskipamount|bigskipamount|normalbaselineskip|dimexpr.*|fill))$")
_BLANKS = re.compile(r"\s+")
_PRIME = Symbol(r"\prime")
_LENGTH_END = frozenset("mupteximcn")


def parse(latex: str) -> Group:
    r"""Parse LaTeX mathematics as TeX would read it, unknown commands taken as symbols.

    Args:
        latex: A formula without its dollars or other math delimiters.

    Returns:
        The items of the formula.

    Raises:
        LatexError: Unbalanced braces, `\left` or environments, a missing argument, two scripts of one kind, `&`
            outside an environment, too long, or nested deeper than `MAX_DEPTH`.
    """
    if len(latex) > MAX_CHARACTERS:
        raise LatexError(f"longer than {MAX_CHARACTERS} characters", MAX_CHARACTERS)
    parser = _Parser(latex)
    items = parser.parse_items(0)
    if parser.peek():
        raise parser.error(_stray(parser.peek()))
    return Group(items)


def _stray(text: str) -> str:
    if text == "}":
        return "closing brace without an opening one"
    if text in (r"\right", r"\middle"):
        return rf"{text} without \left"
    if text.startswith(r"\end{"):
        return rf"{text} without its \begin"
    if text in ("&", r"\\", r"\cr"):
        return f"{text} outside an environment"
    return f"unexpected {text}"


def _is_baseless(node: Node) -> bool:
    """Whether scripts after the node hang on nothing: spaces, styles, row ends."""
    return (isinstance(node, Symbol) and node.text in _NO_BASE) or (
        isinstance(node, Command) and node.name in _NO_BASE)


class _Parser:
    def __init__(self, latex: str) -> None:
        self.latex = latex
        self.texts, self.starts = tokenize(latex)
        self.texts.append("")
        self.starts.append(len(latex))
        self.at = 0

    def error(self, reason: str, at: int | None = None) -> LatexError:
        """At a token, by default the next one."""
        return LatexError(reason, self.starts[self.at if at is None else at])

    def peek(self) -> str:
        return self.texts[self.at]

    def parse_items(self, depth: int, in_option: bool = False, in_cell: bool = False) -> list[Node]:
        """Items up to a token that ends the list (not consumed)."""
        items: list[Node] = []
        infix: tuple[str, list[Node]] | None = None
        texts = self.texts
        while True:
            text = texts[self.at]
            leaf = _LEAVES.get(text)
            if leaf is not None:
                items.append(leaf)
                self.at += 1
                continue
            if text in _ENDS or text.startswith(r"\end{"):
                break
            if (in_option and text == "]") or (in_cell and text in _ROW_ENDS):
                break
            if text in ("^", "_", "'"):
                self.attach_script(items, depth)
            elif text in INFIX:
                if infix:
                    raise self.error(f"second {text} in one group")
                self.at += 1
                infix, items = (text, items), []
            elif text in _LIMITS:
                if items and isinstance(items[-1], Scripts) and items[-1].sub is None and items[-1].sup is None:
                    items[-1].limits = text
                elif items and not _is_baseless(items[-1]):
                    items[-1] = Scripts(items[-1], None, None, text)
                else:
                    raise self.error(f"{text} without an operator")
                self.at += 1
            else:
                items.append(self.parse_node(depth))
        if infix:
            name, above = infix
            return [Command(name, [Group(above), Group(items)])]
        return items

    def attach_script(self, items: list[Node], depth: int) -> None:
        at = self.at
        text = self.texts[at]
        last = items[-1] if items else None
        if isinstance(last, Scripts):
            scripts = last
        elif last is None or _is_baseless(last):
            scripts = Scripts(None, None, None)
            items.append(scripts)
        else:
            scripts = items[-1] = Scripts(last, None, None)
        self.at += 1
        if text == "'":
            primes: list[Node] = [_PRIME]
            while self.peek() == "'":
                primes.append(_PRIME)
                self.at += 1
            if self.peek() == "^":
                self.at += 1
                primes += self.parse_argument(depth, "^").items
            text, argument = "^", Group(primes)
        else:
            argument = self.parse_argument(depth, text)
        if text == "_":
            if scripts.sub is not None:
                raise self.error("two subscripts on one base", at)
            scripts.sub = argument
        else:
            if scripts.sup is not None:
                raise self.error("two superscripts on one base", at)
            scripts.sup = argument

    def parse_argument(self, depth: int, owner: str) -> Group:
        """One argument: a braced group, or the next item alone."""
        text = self.texts[self.at]
        if text in _LEAVES:
            self.at += 1
            return Group([_LEAVES[text]])
        if text == "{" and depth <= MAX_DEPTH:
            return self.parse_braced(depth)
        if text in _NO_ARGUMENT or text.startswith(r"\end{"):
            what = "script" if owner in ("^", "_") else "argument"
            raise self.error(f"{owner} lacks its {what}")
        if text == "'":
            self.at += 1
            return Group([Scripts(None, None, Group([_PRIME]))])
        node = self.parse_node(depth + 1)
        return Group([node], isinstance(node, Command))

    def parse_braced(self, depth: int) -> Group:
        at = self.at
        if self.texts[at + 1] in _LEAVES and self.texts[at + 2] == "}":  # most of them
            self.at += 3
            return Group([_LEAVES[self.texts[at + 1]]])
        self.at += 1
        items = self.parse_items(depth + 1)
        if self.peek() != "}":
            if not self.peek():
                raise self.error("opening brace without a closing one", at)
            raise self.error(f"{self.peek()} inside braces that open before it")
        self.at += 1
        return Group(items)

    def parse_node(self, depth: int) -> Node:
        text, at = self.peek(), self.at
        if depth > MAX_DEPTH:
            raise self.error(f"nested deeper than {MAX_DEPTH} levels")
        if text == "{":
            return self.parse_braced(depth)
        self.at += 1
        if text[0] != "\\":
            return Symbol(text)
        if text == "\\":
            raise self.error("backslash at the end", at)
        if text in _LIMITS or text in INFIX:
            raise self.error(f"{text} stands where an argument is needed", at)
        if text.startswith(r"\begin{"):
            return self.parse_environment(text[7:-1], at, depth)
        if text == r"\left":
            return self.parse_fence(at, depth)
        if text in LENGTH_COMMANDS:
            return Command(text, raw=[self.parse_length()])
        if text == r"\\":
            return Symbol(text, gap=self.parse_gap("").removeprefix("*"))
        spec = ARGUMENTS.get(text)
        return Symbol(text) if spec is None else self.parse_command(text, spec, depth)

    def parse_command(self, name: str, spec: str, depth: int) -> Node:
        if name in ALPHABETS and self.peek() in ALPHABETS:
            self.at += 1  # TeX forgets both fonts and prints a plain letter
            return self.parse_argument(depth, name)
        command = Command(name)
        for kind in spec:
            if kind == "m":
                command.args.append(self.parse_argument(depth, name))
            elif kind == "s":
                if self.peek() == "*":
                    command.is_starred = True
                    self.at += 1
            elif kind == "o":
                if self.peek() == "[":
                    at = self.at
                    self.at += 1
                    command.option = Group(self.parse_items(depth + 1, in_option=True))
                    if self.peek() != "]":
                        raise self.error(f"{name} lacks the ] of its option", at)
                    self.at += 1
            elif kind == "R":
                if self.peek() == "[":
                    option = self.parse_raw_option(name)
                    is_second = command.raw_option is not None
                    command.raw_option = f"{command.raw_option}][{option}" if is_second else option
            elif kind == "d":
                command.raw.append(self.parse_delimiter(name))
            else:
                command.raw.append(self.parse_raw(name))
        return command

    def parse_raw(self, name: str) -> str:
        """Source between the next pair of braces (or one token), blanks collapsed: text keeps its spaces."""
        if not self.peek() or self.peek() in ("}", "&"):
            raise self.error(f"{name} lacks its argument")
        first, at = self.peek(), self.at
        self.at += 1
        if first != "{":
            return first
        level = 1
        while text := self.peek():
            level += (text == "{") - (text == "}")
            if not level:
                raw = self.latex[self.starts[at] + 1:self.starts[self.at]]
                self.at += 1
                return _BLANKS.sub(" ", raw)
            self.at += 1
        raise self.error("opening brace without a closing one", at)

    def parse_raw_option(self, name: str) -> str:
        at = self.at
        while text := self.peek():
            self.at += 1
            if text == "]":
                return self.latex[self.starts[at] + 1:self.starts[self.at - 1]].strip()
        raise self.error(f"{name} lacks the ] of its option", at)

    def parse_delimiter(self, name: str) -> str:
        text = self.peek()
        if not text or text in ("{", "}", "&", "^", "_"):
            raise self.error(f"{name} lacks its delimiter")
        self.at += 1
        return text

    def parse_length(self) -> str:
        r"""What follows `\hskip`: `-3pt`, `.5em`, `\thinmuskip`."""
        parts: list[str] = []
        while self.peek() and (self.peek() in "+-.,=" or self.peek().isdigit()):
            parts.append(self.peek())
            self.at += 1
        if not parts or parts[-1] in ("+", "-", "="):
            if self.peek().startswith("\\"):
                parts.append(self.peek())
                self.at += 1
            return "".join(parts).replace("=", "")
        if self.peek().startswith("\\"):
            parts.append(self.peek())
            self.at += 1
        else:
            for _ in range(2):
                if self.peek() and self.peek() in _LENGTH_END:
                    parts.append(self.peek())
                    self.at += 1
        return "".join(parts).replace("=", "")

    def parse_fence(self, at: int, depth: int) -> Fence:
        left = self.parse_delimiter(r"\left")
        parts, middles = [], []
        while True:
            parts.append(Group(self.parse_items(depth + 1)))
            text = self.peek()
            if text == r"\middle":
                self.at += 1
                middles.append(self.parse_delimiter(text))
            elif text == r"\right":
                self.at += 1
                return Fence(left, parts, middles, self.parse_delimiter(text))
            else:
                raise self.error(r"\left without its \right", at)

    def parse_environment(self, name: str, at: int, depth: int) -> Environment:
        arguments: list[str] = []
        for kind in ENVIRONMENT_ARGUMENTS.get(name, ""):
            if kind == "r":
                arguments.append("{" + join_tokens(split_latex(self.parse_raw(name))) + "}")
            elif self.peek() == "[" and self.is_position(name):
                arguments.append("[" + self.parse_raw_option(name) + "]")
        rows: list[list[Group]] = [[]]
        gaps: list[str] = []
        while True:
            rows[-1].append(Group(self.parse_items(depth + 1, in_cell=True)))
            text = self.peek()
            self.at += 1
            if text in _ROW_ENDS:
                gaps.append(self.parse_gap(name) if text == r"\\" else "")
                rows.append([])
            elif text.startswith(r"\end{"):
                if text[5:-1] != name:
                    raise self.error(rf"\begin{{{name}}} is closed by {text}", at)
                return Environment(name, arguments, rows, gaps)
            elif text != "&":
                reason = _stray(text) if text in ("}", r"\right", r"\middle") else rf"\begin{{{name}}} is not closed"
                raise self.error(reason, self.at - 1 if text else at)

    def is_position(self, name: str) -> bool:
        """Whether the [ opens an option (`[t]`, `[r]`, a width) and not mathematics."""
        after = self.texts[self.at + 1:self.at + 3]
        return name == "multlined" or (len(after) == 2 and after[1] == "]" and after[0] in "tbclr")

    def is_close(self) -> bool:
        """Whether no blank parts the next token from the one before it."""
        return self.starts[self.at] == self.starts[self.at - 1] + len(self.texts[self.at - 1])

    def parse_gap(self, name: str) -> str:
        r"""The star and the length after `\\`; an [ that opens mathematics is none, nor what stands behind a blank.

        Source: amsmath looks past no blank there, `array` does before a [ (tried in each environment, TeX Live 2022).
        """
        gap = ""
        if self.peek() == "*" and self.is_close():
            self.at += 1
            gap = "*"
        if self.peek() == "[" and (self.is_close() or name == "array"):
            until = min(self.at + 12, len(self.texts))
            end = next((i for i in range(self.at, until) if self.texts[i] == "]"), 0)
            inner = self.latex[self.starts[self.at] + 1:self.starts[end]].strip() if end else ""
            if _GAP.match(inner):
                self.at = end + 1
                return f"{gap}[{inner}]"
        return gap
