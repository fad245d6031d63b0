r"""The recogniser's vocabulary: one token for each LaTeX command, letter, digit and sign, as a Hugging Face tokenizer.

    python -m finetune.pretrain.vocabulary TARGETS.jsonl FOLDER

`_{` and `^{` are one token each, as are `\begin{...}` and `\end{...}`. The space between a command and a letter is no
token: the decoder puts it back, so that `decode(encode(text)) == text`. Spaces are left in chemistry alone
(`\ce{A + B}`).
"""

from __future__ import annotations

import collections
import json
import re
import string
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

SPECIAL = ("[PAD]", "[BOS]", "[EOS]", "[VS]", "[VE]", "[IMG]", "[VID]", "[UNK]", "[NOT]")
"""Padding; start and end of the answer and of a picture; a visual token; video (unused); unknown; not a formula."""
PAD, BOS, EOS, VS, VE, IMG, VID, UNK, NOT = range(len(SPECIAL))
FIRST_WORD = NOT
"""First id that an answer may hold."""
SIZE = 800
"""Size of the vocabulary; the ids behind the last word are kept for later rounds: `[SPARE0]`..."""

TOKEN = r"\\(?:begin|end)\{[a-zA-Z]+\*?\}|\\[a-zA-Z]+(?: (?=[a-zA-Z*]))?|\\[^a-zA-Z]|[_^]\{|."
"""A token of canonical LaTeX (Rust and Python regular expression); the space that ends a command belongs to it."""

_EXCLUDED = (
    "big bigg dfrac tfrac displaystyle textstyle scriptstyle scriptscriptstyle hbox mbox vbox fbox kern llap rlap "
    "mathchoice textcircled newline it over rm mathop mathrel mathbin mathord boldsymbol textrm tiny ! cline raisebox"
)
EXCLUDED = frozenset(rf"\{name}" for name in _EXCLUDED.split())
"""Commands that the canonical form leaves only in broken or private records: formulas that hold one are left out."""

_KEPT = (
    "dddot ddddot mathring widecheck overparen underparen cancel bcancel xcancel textsc underbracket overbracket "
    "xhookrightarrow xhookleftarrow xmapsto xleftrightarrow xRightarrow xLeftarrow xLeftrightarrow xrightleftharpoons "
    "xtwoheadrightarrow underleftarrow underrightarrow overleftrightarrow underleftrightarrow"
)
"""Commands with arguments kept though the training data hold few of them."""

_PATTERN = re.compile(TOKEN)

CHAT_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}[VS][IMG][VE]"
    "{% if add_generation_prompt and loop.last %}[BOS]{% endif %}"
    "{% elif message['role'] == 'assistant' %}[BOS]{% generation %}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}"
    "{% endif %}[EOS]{% endgeneration %}{% endif %}{% endfor %}"
)
"""One picture, then the answer; words that a caller puts beside the picture are left out: the model has one task."""


def choose_words(targets: Iterable[str], least: int = 3) -> list[str]:
    """Choose the vocabulary's words.

    Args:
        targets: Canonical LaTeX of the training data.
        least: A command or environment that is no symbol must occur this often.

    Returns:
        Words without the special tokens: printable ASCII first, then every command and environment of
        `docproc.latex.commands` that draws something.
    """
    from docproc.latex import commands as known

    counts = collections.Counter(t for text in targets for t in split_target(text))
    drawn = known.KNOWN - known.INVISIBLE - frozenset(known.FONT_SWITCHES) - frozenset(known.INFIX)
    allowed = drawn | frozenset(rf"\{c}" for c in "{}|\\&%$#_,;:! ")
    environments = {rf"\{side}{{{name}}}" for name in known.ENVIRONMENTS for side in ("begin", "end")}
    words = [*string.ascii_letters, *string.digits, *string.punctuation, " ", "_{", "^{", r"\left", r"\right", r"\bond"]
    words += sorted(
        w for w in (allowed | environments) - set(words) - EXCLUDED if counts[w] >= least or _keep_unseen(w)
    )
    return words


def _keep_unseen(word: str) -> bool:
    """Symbols are kept though no formula holds them yet: the vocabulary is fixed for later rounds."""
    from docproc.latex import commands as known
    from docproc.latex.canonical import recognition_target

    symbols = known.ORDINARY | known.BINARY | known.RELATIONS | known.BIG_OPERATORS | known.OPENING | known.CLOSING
    symbols |= known.NAMED_OPERATORS | known.DOTS | frozenset(rf"\{name}" for name in _KEPT.split())
    if word in known.ARGUMENTS:
        return word in symbols
    return word in symbols and recognition_target(word) == word


def split_target(target: str) -> list[str]:
    """Tokens of canonical LaTeX, as the tokenizer splits it."""
    return [t[:-1] if len(t) > 2 and t[-1] == " " else t for t in _PATTERN.findall(target)]


def join_target(tokens: Iterable[str]) -> str:
    """LaTeX of tokens; blanks stand behind commands alone: in text, a blank is a letter."""
    return "".join(t + " " if len(t) > 1 and t[0] == "\\" and t[-1].isalpha() else t for t in tokens)


def build_tokenizer(words: list[str]) -> Any:
    """Return a `tokenizers.Tokenizer` for these words."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

    spare = SIZE - len(SPECIAL) - len(words)
    vocabulary = [*SPECIAL, *words, *(f"[SPARE{i}]" for i in range(spare))]
    if spare < 0:
        raise ValueError(f"{len(words)} words do not fit into {SIZE} ids")
    if len(set(vocabulary)) != len(vocabulary):
        raise ValueError("a word occurs twice")
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.add_special_tokens([AddedToken(w, special=True, normalized=False) for w in SPECIAL[:-1]])
    tokenizer.add_tokens([AddedToken("[NOT]", special=False, normalized=False)])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(TOKEN), "isolated"), pre_tokenizers.Split(Regex("(?<=[a-zA-Z]) $"), "removed")]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace(Regex(r"(?<=[a-zA-Z]{2})$|(?<=\\[a-zA-Z])$"), "\x01"),  # only commands end so
            decoders.Fuse(),
            decoders.Replace(Regex("\x01(?=[a-zA-Z*])"), " "),
            decoders.Replace("\x01", ""),
        ]
    )
    return tokenizer


def save_tokenizer(tokenizer: Any, folder: Path) -> None:
    """Write tokenizer.json, tokenizer_config.json and chat_template.jinja."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "backend": "tokenizers",
        "bos_token": "[BOS]",
        "eos_token": "[EOS]",
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "extra_special_tokens": {
            "vision_start_token": "[VS]",
            "vision_end_token": "[VE]",
            "image_token": "[IMG]",
            "video_token": "[VID]",
        },
        "clean_up_tokenization_spaces": False,
        "model_max_length": 4096,
        "padding_side": "left",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE + "\n")


def main() -> None:
    """Build the tokenizer from a file of targets, one JSON object with `target` a line."""
    source, folder = Path(sys.argv[1]), Path(sys.argv[2])
    with source.open() as file:
        words = choose_words(json.loads(line)["target"] for line in file)
    save_tokenizer(build_tokenizer(words), folder)
    print(len(words) + len(SPECIAL), "tokens in use of", SIZE)


if __name__ == "__main__":
    main()
