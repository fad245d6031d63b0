"""A small tree of LaTeX mathematics, made by recursive descent."""

from __future__ import annotations

import re

from docproc.latex.commands import (
    ALPHABETS,
    ARGUMENTS,
    ENVIRONMENT_ARGUMENTS,
    INFIX,
    LENGTH_COMMANDS,
    SPACES,
    STYLES,
)
from docproc.latex.nodes import Command, Environment, Fence, Group, LatexError, Node, Scripts, Symbol
from docproc.latex.tokens import MAX_CHARACTERS, Token, join_tokens, tokenize

__all__ = ["Command", "Environment", "Fence", "Group", "LatexError", "Node", "Scripts", "Symbol", "parse"]

# Real formulas nest fewer than 30 levels; every level costs a handful of Python frames.
MAX_DEPTH = 50
_NO_BASE = frozenset(SPACES) | STYLES | LENGTH_COMMANDS | {r"\hspace", r"\mspace", r"\\", r"\cr", r"\hline"}
_LIMITS = (r"\limits", r"\nolimits", r"\displaylimits")
_GAP = re.compile(
    r"[-+]?\d*\.?\d*\s*(?:pt|em|ex|mm|cm|in|pc|mu|bp|sp|\\(?:baselineskip|jot|lineskip|parskip|smallskipamount"
    r"|medskipamount|bigskipamount|normalbaselineskip|dimexpr.*|fill))$")
_BLANKS = re.compile(r"\s+")
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
    if parser.at < len(parser.tokens):
        token = parser.tokens[parser.at]
        raise LatexError(_stray(token.text), token.start)
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


# Characters that may be more than themselves.
_NOT_PLAIN = frozenset("{}&^_']")


class _Parser:
    def __init__(self, latex: str) -> None:
        self.latex = latex
        self.tokens: list[Token] = tokenize(latex)
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at].text if self.at < len(self.tokens) else ""

    def position(self) -> int:
        return self.tokens[self.at].start if self.at < len(self.tokens) else len(self.latex)

    def parse_items(self, depth: int, in_option: bool = False, in_cell: bool = False) -> list[Node]:
        """Items up to a token that ends the list (not consumed)."""
        items: list[Node] = []
        infix: tuple[str, list[Node], int] | None = None
        tokens = self.tokens
        while self.at < len(tokens):
            text, start, _ = tokens[self.at]
            if text not in _NOT_PLAIN and text[0] != "\\":  # most of a formula
                items.append(Symbol(text, start))
                self.at += 1
                continue
            if text in ("}", "&", r"\right", r"\middle") or text.startswith(r"\end{") or (in_option and text == "]"):
                break
            if text in (r"\\", r"\cr", r"\newline") and in_cell:
                break
            if text in ("^", "_", "'"):
                self.attach_script(items, depth)
            elif text in INFIX:
                if infix:
                    raise LatexError(f"second {text} in one group", start)
                self.at += 1
                infix, items = (text, items, start), []
            elif text in _LIMITS:
                self.at += 1
                if items and isinstance(items[-1], Scripts) and items[-1].sub is None and items[-1].sup is None:
                    items[-1].limits = text
                elif items and not _is_baseless(items[-1]):
                    items[-1] = Scripts(items[-1], None, None, text, start)
                else:
                    raise LatexError(f"{text} without an operator", start)
            else:
                items.append(self.parse_node(depth))
        if infix:
            name, above, start = infix
            return [Command(name, [Group(above, start), Group(items, start)], start=start)]
        return items

    def attach_script(self, items: list[Node], depth: int) -> None:
        text, start, _ = self.tokens[self.at]
        base: Node | None = None
        if items and not _is_baseless(items[-1]):
            base = items.pop()
        scripts = base if isinstance(base, Scripts) else Scripts(base, None, None, "", start)
        self.at += 1
        if text == "'":
            primes: list[Node] = [Symbol(r"\prime", start)]
            while self.peek() == "'":
                primes.append(Symbol(r"\prime", self.position()))
                self.at += 1
            if self.peek() == "^":
                self.at += 1
                primes += self.parse_argument(depth, "^").items
            text, argument = "^", Group(primes, start)
        else:
            argument = self.parse_argument(depth, text)
        if text == "_":
            if scripts.sub is not None:
                raise LatexError("two subscripts on one base", start)
            scripts.sub = argument
        else:
            if scripts.sup is not None:
                raise LatexError("two superscripts on one base", start)
            scripts.sup = argument
        items.append(scripts)

    def parse_argument(self, depth: int, owner: str) -> Group:
        """One argument: a braced group, or the next item alone."""
        text, start = self.peek(), self.position()
        if not text or text in ("}", "&", r"\\", r"\cr", r"\right", r"\middle", "^", "_") or text.startswith(r"\end{"):
            what = "script" if owner in ("^", "_") else "argument"
            raise LatexError(f"{owner} lacks its {what}", start)
        if text == "{" and depth <= MAX_DEPTH:
            return self.parse_braced(depth)
        if text == "'":
            self.at += 1
            return Group([Scripts(None, None, Group([Symbol(r"\prime", start)]), "", start)], start)
        node = self.parse_node(depth + 1)
        return Group([node], start, isinstance(node, Command))

    def parse_braced(self, depth: int) -> Group:
        start = self.position()
        self.at += 1
        items = self.parse_items(depth + 1)
        if self.peek() != "}":
            if not self.peek():
                raise LatexError("opening brace without a closing one", start)
            raise LatexError(f"{self.peek()} inside braces that open before it", self.position())
        self.at += 1
        return Group(items, start)

    def parse_node(self, depth: int) -> Node:
        text, start, _ = self.tokens[self.at]
        if depth > MAX_DEPTH:
            raise LatexError(f"nested deeper than {MAX_DEPTH} levels", start)
        if text == "{":
            return self.parse_braced(depth)
        self.at += 1
        if text[0] != "\\":
            return Symbol(text, start)
        if text == "\\":
            raise LatexError("backslash at the end", start)
        if text in _LIMITS or text in INFIX:
            raise LatexError(f"{text} stands where an argument is needed", start)
        if text.startswith(r"\begin{"):
            return self.parse_environment(text[7:-1], start, depth)
        if text == r"\left":
            return self.parse_fence(start, depth)
        if text in LENGTH_COMMANDS:
            return Command(text, raw=[self.parse_length()], start=start)
        if text == r"\\":
            return Symbol(text, start, gap=self.parse_gap("").removeprefix("*"))
        spec = ARGUMENTS.get(text)
        if spec is None:
            return Symbol(text, start)
        return self.parse_command(text, spec, start, depth)

    def parse_command(self, name: str, spec: str, start: int, depth: int) -> Node:
        if name in ALPHABETS and self.peek() in ALPHABETS:
            self.at += 1  # TeX forgets both fonts and prints a plain letter
            return self.parse_argument(depth, name)
        command = Command(name, start=start)
        for kind in spec:
            if kind == "m":
                command.args.append(self.parse_argument(depth, name))
            elif kind == "s":
                if self.peek() == "*":
                    command.is_starred = True
                    self.at += 1
            elif kind == "o":
                if self.peek() == "[":
                    at = self.position()
                    self.at += 1
                    command.option = Group(self.parse_items(depth + 1, in_option=True), at)
                    if self.peek() != "]":
                        raise LatexError(f"{name} lacks the ] of its option", at)
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
            raise LatexError(f"{name} lacks its argument", self.position())
        first = self.tokens[self.at]
        self.at += 1
        if first.text != "{":
            return first.text
        level = 1
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            self.at += 1
            level += (token.text == "{") - (token.text == "}")
            if not level:
                return _BLANKS.sub(" ", self.latex[first.end:token.start])
        raise LatexError("opening brace without a closing one", first.start)

    def parse_raw_option(self, name: str) -> str:
        first = self.tokens[self.at]
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            self.at += 1
            if token.text == "]":
                return self.latex[first.end:token.start].strip()
        raise LatexError(f"{name} lacks the ] of its option", first.start)

    def parse_delimiter(self, name: str) -> str:
        text = self.peek()
        if not text or text in ("{", "}", "&", "^", "_"):
            raise LatexError(f"{name} lacks its delimiter", self.position())
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

    def parse_fence(self, start: int, depth: int) -> Fence:
        left = self.parse_delimiter(r"\left")
        parts, middles = [], []
        while True:
            parts.append(Group(self.parse_items(depth + 1), self.position()))
            text = self.peek()
            if text == r"\middle":
                self.at += 1
                middles.append(self.parse_delimiter(text))
            elif text == r"\right":
                self.at += 1
                return Fence(left, parts, middles, self.parse_delimiter(text), start)
            else:
                raise LatexError(r"\left without its \right", start)

    def parse_environment(self, name: str, start: int, depth: int) -> Environment:
        arguments: list[str] = []
        for kind in ENVIRONMENT_ARGUMENTS.get(name, ""):
            if kind == "r":
                arguments.append("{" + join_tokens([t.text for t in tokenize(self.parse_raw(name))]) + "}")
            elif self.peek() == "[" and self.is_position(name):
                arguments.append("[" + self.parse_raw_option(name) + "]")
        rows: list[list[Group]] = [[]]
        gaps: list[str] = []
        while True:
            rows[-1].append(Group(self.parse_items(depth + 1, in_cell=True), self.position()))
            text = self.peek()
            self.at += 1
            if text in (r"\\", r"\cr", r"\newline"):
                gaps.append(self.parse_gap(name) if text == r"\\" else "")
                rows.append([])
            elif text.startswith(r"\end{"):
                if text[5:-1] != name:
                    raise LatexError(rf"\begin{{{name}}} is closed by {text}", start)
                return Environment(name, arguments, rows, gaps, start)
            elif text != "&":
                at = self.tokens[self.at - 1].start if self.at <= len(self.tokens) else len(self.latex)
                reason = _stray(text) if text in ("}", r"\right", r"\middle") else rf"\begin{{{name}}} is not closed"
                raise LatexError(reason, at if text else start)

    def is_position(self, name: str) -> bool:
        """Whether the [ opens an option (`[t]`, `[r]`, a width) and not mathematics."""
        after = [token.text for token in self.tokens[self.at + 1:self.at + 3]]
        return name == "multlined" or (len(after) == 2 and after[1] == "]" and after[0] in "tbclr")

    def is_close(self) -> bool:
        """Whether no blank parts the next token from the one before it."""
        return self.tokens[self.at].start == self.tokens[self.at - 1].end

    def parse_gap(self, name: str) -> str:
        r"""The star and the length after `\\`; an [ that opens mathematics is none, nor what stands behind a blank.

        Source: amsmath looks past no blank there, `array` does before a [ (tried in each environment, TeX Live 2022).
        """
        gap = ""
        if self.peek() == "*" and self.is_close():
            self.at += 1
            gap = "*"
        if self.peek() == "[" and (self.is_close() or name == "array"):
            until = min(self.at + 12, len(self.tokens))
            end = next((i for i in range(self.at, until) if self.tokens[i].text == "]"), 0)
            inner = self.latex[self.tokens[self.at].end:self.tokens[end].start].strip() if end else ""
            if _GAP.match(inner):
                self.at = end + 1
                return f"{gap}[{inner}]"
        return gap
