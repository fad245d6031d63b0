"""LaTeX meaning of single glyphs: by their Unicode character and by what their font is for."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

UNKNOWN_SYMBOL = "?"

_GREEK = dict(
    pair.split()
    for pair in r"""
α \alpha|β \beta|γ \gamma|δ \delta|ε \varepsilon|ϵ \epsilon|ζ \zeta|η \eta|θ \theta|ϑ \vartheta|ι \iota|κ \kappa
ϰ \varkappa|λ \lambda|μ \mu|µ \mu|ν \nu|ξ \xi|π \pi|ϖ \varpi|ρ \rho|ϱ \varrho|σ \sigma|ς \varsigma|τ \tau|υ \upsilon
χ \chi|ψ \psi|ω \omega|Γ \Gamma|Δ \Delta|∆ \Delta|Θ \Theta|Λ \Lambda|Ξ \Xi|Π \Pi|Σ \Sigma|Υ \Upsilon|Φ \Phi|Ψ \Psi
Ω \Omega|Ω \Omega|ϴ \Theta|∂ \partial|∇ \nabla
""".strip()
    .replace("\n", "|")
    .split("|")
)
_SIGNS = dict(
    pair.split()
    for pair in r"""
− -|+ +|= =|< <|> >|/ /|∕ /|( (|) )|[ [|] ]|{ \{|} \}|∥ \Vert|‖ \Vert|, ,|; ;|: :|∶ :|! !|. .|* *|∗ *|% \%|& \&
# \#|$ \$|± \pm|∓ \mp|× \times|÷ \div|· \cdot|⋅ \cdot|∙ \bullet|• \bullet|◦ \circ|∘ \circ|° \circ|⋆ \star
⋄ \diamond|† \dagger|‡ \ddagger|≤ \leq|≥ \geq|⩽ \leqslant|⩾ \geqslant|≠ \neq|≡ \equiv|≈ \approx|∼ \sim|≃ \simeq
≅ \cong|≍ \asymp|∝ \propto|≐ \doteq|≪ \ll|≫ \gg|≺ \prec|≻ \succ|⪯ \preceq|⪰ \succeq|≼ \preccurlyeq
≽ \succcurlyeq|≲ \lesssim|≳ \gtrsim|⊢ \vdash|⊣ \dashv|⊨ \vDash|∈ \in|∉ \notin|∋ \ni|⊂ \subset|⊃ \supset
⊆ \subseteq|⊇ \supseteq|⊊ \subsetneq|⊋ \supsetneq|⊑ \sqsubseteq|⊒ \sqsupseteq|∪ \cup|∩ \cap|⊔ \sqcup|⊓ \sqcap
⊎ \uplus|∖ \setminus|\ \setminus|∧ \wedge|∨ \vee|¬ \neg|⊕ \oplus|⊖ \ominus|⊗ \otimes|⊘ \oslash|⊙ \odot|≀ \wr
⋉ \ltimes|⋊ \rtimes|⋈ \bowtie|⊤ \top|⊥ \bot|⟂ \perp|∅ \emptyset|⌀ \varnothing|∞ \infty|∀ \forall|∃ \exists
∄ \nexists|ℵ \aleph|ℶ \beth|ℓ \ell|ℏ \hbar|℘ \wp|ℜ \Re|ℑ \Im|ı \imath|ȷ \jmath|𝚤 \imath|𝚥 \jmath|′ \prime
∠ \angle|□ \square|→ \rightarrow|← \leftarrow|↔ \leftrightarrow|⇒ \Rightarrow|⇐ \Leftarrow|⇔ \Leftrightarrow
↦ \mapsto|↑ \uparrow|↓ \downarrow|⟶ \longrightarrow|⟵ \longleftarrow|⟹ \Longrightarrow|⟸ \Longleftarrow
⟺ \Longleftrightarrow|⟷ \longleftrightarrow|⟼ \longmapsto|↪ \hookrightarrow|↩ \hookleftarrow
↠ \twoheadrightarrow|↣ \rightarrowtail|↗ \nearrow|↘ \searrow|↙ \swarrow|↖ \nwarrow|⇌ \rightleftharpoons
⇀ \rightharpoonup|↼ \leftharpoonup|⟨ \langle|⟩ \rangle|〈 \langle|〉 \rangle|⌊ \lfloor|⌋ \rfloor|⌈ \lceil|⌉ \rceil
… \ldots|⋯ \cdots|⋮ \vdots|⋱ \ddots|△ \triangle|▽ \triangledown|≜ \triangleq|⊩ \Vdash|⊧ \models|∤ \nmid
∦ \nparallel|⊲ \triangleleft|⊳ \triangleright|⊴ \trianglelefteq|⊵ \trianglerighteq|≔ :=|ð \eth|♯ \sharp|♭ \flat
♮ \natural|★ \bigstar|∑ \sum|∏ \prod|∐ \coprod|∫ \int|∬ \iint|∭ \iiint|∮ \oint|⋃ \bigcup|⋂ \bigcap|⋀ \bigwedge
⋁ \bigvee|⨁ \bigoplus|⨂ \bigotimes|⨀ \bigodot|⨄ \biguplus|⨆ \bigsqcup|√ \sqrt
""".strip().replace("\n", "|").split("|")
)  # fmt: skip
_SIGNS |= {"|": "|", "∣": "|"}

BIG_OPERATORS = frozenset("∑∏∐∫∬∭∮⋃⋂⋀⋁⨁⨂⨀⨄⨆√")
ACCENTS = frozenset("ˆ˜¯˙¨ˇ˘´`˚^~\u0302\u0303\u0304\u0305\u0307\u0308\u030c\u20d7⏞⏟⏠⏡_")

_BLACKBOARD = re.compile(
    r"MSBM|^HFBRBS|[Bb]lack[Bb]oard|dsrom|dsss|bbold|BBOLD|[tp]xsyb|DoubleStruck|mathbb|AMSb|Ams-?B|-Syb-",
    re.IGNORECASE,
)
_FRAKTUR = re.compile(r"EUFM|Fraktur|mathfrak|yfrak|^n?[rtp]*xmia", re.IGNORECASE)
_SCRIPT = re.compile(r"^rsfs|Script|mathscr|eusm.*scr", re.IGNORECASE)
_CALLIGRAPHIC = re.compile(
    r"^(CMSY|CMBSY|HFBRSY|M?LMMathSymbols|txsy|pxsy|rtxsy|EUSM|Fourier-Math-Cal|Fourier-Math-Symbols|PazoMath|Kp-.*-Sy|MathDesign.*Sy)"
    r"|Calligraphic|mathcal|-Cal\b|URWChanceryL|SY\d+$", re.IGNORECASE,
)  # fmt: skip
_SANS = re.compile(
    r"^Sf-|CMSS|URWGothic|AvantGarde|LMSans|SFSS|Helvet|NimbusSan|Sans(?!krit)|cmss|[tp]xss|t1xss|Biolinum|Frutiger"
    r"|Arial", re.IGNORECASE,
)  # fmt: skip
_TYPEWRITER = re.compile(r"^Tt-|mono|CMTT|SFTT|LMTT|typewriter|courier|[tp]xtt|t1xtt|consol", re.IGNORECASE)
_EULER = re.compile(r"^EUR[MB]|^Neo-?Euler|^Euler", re.IGNORECASE)
_MATH_ITALIC = re.compile(
    r"^(CMMI|HFBRMI|LMMathItalic|rtxmi|txmi|pxmi|rpxmi|MLMMI|PazoMath-Italic|STIX.*-Italic|MTMI|zplmr7m|Fourier-Math-Letters)"
    r"|MathMI|Math-?Ital|-Mi\b|mathit", re.IGNORECASE,
)  # fmt: skip
# Accents as mathematics sets them, wide ones under the name of the narrow ones: how wide is the glyph's own matter.
_ACCENT_GLYPHS = {
    char: name
    for name, chars in {
        r"\hat": "ˆ^\u0302", r"\tilde": "˜~\u0303", r"\bar": "¯\u0304\u0305", r"\dot": "˙\u0307",
        r"\ddot": "¨\u0308", r"\check": "ˇ\u030c", r"\breve": "˘\u0306", r"\acute": "´\u0301",
        r"\grave": "\u0300", r"\mathring": "˚\u030a", r"\vec": "\u20d7",
    }.items()
    for char in chars
}  # fmt: skip
# Families that give some glyphs wrong names: both epsilons have one, arrows are pieces of others, script capitals
# are plain ones.
_DOUBTFUL_NAMES = re.compile(r"^(Iwona|Kurier|Ant[tPy])")
_DOUBTFUL_GLYPHS = frozenset("εϵ→|∣∥‖/")
# Fonts that say nothing of what their codes mean.
_OPAQUE = re.compile(
    r"^([A-Z]{0,2}\d+|[Tt]ype ?3.*|Symbol.*|MT-?Extra.*|Wingdings.*"
    r"|Mathematical-?Pi.*|Webdings.*|)$"
)

_STYLE_WORDS = (
    ("BOLD ITALIC", r"\bm"), ("DOUBLE-STRUCK", r"\mathbb"), ("BOLD FRAKTUR", "?"), ("FRAKTUR", r"\mathfrak"),
    ("BOLD SCRIPT", "?"), ("SCRIPT", "?"), ("SANS-SERIF BOLD", "?"), ("SANS-SERIF ITALIC", "?"),
    ("SANS-SERIF", r"\mathsf"), ("MONOSPACE", r"\mathtt"), ("ITALIC", ""), ("BOLD", r"\mathbf"),
)  # fmt: skip


@lru_cache(maxsize=20_000)
def glyph_meaning(text: str, font: str, is_italic: bool, is_bold: bool, is_tall: bool = False) -> tuple[str, str]:
    r"""LaTeX of a glyph, as symbol and style.

    Args:
        text: Unicode of the glyph.
        font: Its font's name without prefix.
        is_italic: Whether the font is slanted.
        is_bold: Whether the font is bold.
        is_tall: Whether its ink rises above the height of an x; settles which phi it is.

    Returns:
        The symbol (`?` if unknown) and the command that its font stands for: `""` = a variable, digit or sign as it
        comes, `\mathrm`, `\mathbf`, `\bm`, `\mathbb`, `\mathcal`, `\mathscr`, `\mathfrak`, `\mathsf`, `\mathtt`,
        `\mathit`, or `?` where the font leaves a doubt.
    """
    if len(text) != 1 or _OPAQUE.match(font) or (text in _DOUBTFUL_GLYPHS and _DOUBTFUL_NAMES.match(font)):
        return UNKNOWN_SYMBOL, "?"
    if text == "ℎ":  # Unicode's place for the italic h
        return "h", ""
    if text in _ACCENT_GLYPHS:
        return _ACCENT_GLYPHS[text], ""
    if "\U0001d400" <= text <= "\U0001d7ff":
        return _alphanumeric(text)
    if text in _GREEK or text in ("φ", "ϕ"):
        return _greek(text, font, is_italic, is_bold, is_tall)
    if text.isascii() and text.isalnum():
        return text, _letter_style(text, font, is_italic, is_bold)
    if text in "ℂℍℕℙℚℝℤ":
        return unicodedata.normalize("NFKD", text), r"\mathbb"
    if text in "ℬℰℱℋℐℒℳℛ":
        return unicodedata.normalize("NFKD", text), "?"
    if text in "ℭℌℨ":
        return unicodedata.normalize("NFKD", text), r"\mathfrak"
    if text == "∅":  # one character for two looks: only these fonts say which
        is_slashed_zero = re.match(r"CM|LMMathSymbols|[tp]xsy$|rtxsy", font)
        return r"\emptyset" if is_slashed_zero else r"\varnothing", "" if is_slashed_zero or "MSBM" in font else "?"
    if text in "≃★⊲⊳" and not re.match(r"CMSY|LMMathSymbols|MSAM", font):
        return _SIGNS[text], "?"  # newtx and its kin call other signs by these names
    symbol = _SIGNS.get(text)
    if symbol is None:
        return UNKNOWN_SYMBOL, "?"
    return symbol, ""


def has_doubtful_names(font: str) -> bool:
    """Whether a font's glyphs say too little for a formula to be written from them alone."""
    return _DOUBTFUL_NAMES.match(font) is not None


def is_math_italic(text: str, font: str) -> bool:
    """Whether a letter comes from an italic that is for mathematics only, not from that of the text."""
    return not text.isascii() or _MATH_ITALIC.search(font) is not None or re.search(r"MI\d*$|Math", font) is not None


def is_sans(font: str) -> bool:
    """Whether a font has no serifs, as far as its name says."""
    return _SANS.search(font) is not None


def _alphanumeric(text: str) -> tuple[str, str]:
    """Mathematical alphabets of Unicode: the character says the style."""
    if text in "𝚤𝚥":
        return _SIGNS[text], ""
    if text == "𝓁":  # what newer fonts set for `ell`
        return r"\ell", ""
    name = unicodedata.name(text, "")
    base = unicodedata.normalize("NFKD", text)
    style = next((command for words, command in _STYLE_WORDS if words in name), "?")
    if base.isascii():
        return base, style
    if base == "φ":
        return (r"\phi" if "PHI SYMBOL" in name else r"\varphi"), style
    if "PHI SYMBOL" in name:
        return r"\phi", style
    if "EPSILON SYMBOL" in name:
        return r"\epsilon", style
    symbol = _GREEK.get(base, UNKNOWN_SYMBOL)
    if symbol[1:2].isupper():
        # An italic capital is \varGamma unless the package slants them all.
        return symbol, "?" if style == "" else style
    return symbol, style


def _greek(text: str, font: str, is_italic: bool, is_bold: bool, is_tall: bool) -> tuple[str, str]:
    # TeX's own fonts call \phi `phi`, Unicode has it the other way round; only \phi has an ascender.
    symbol = (r"\phi" if is_tall else r"\varphi") if text in ("φ", "ϕ") else _GREEK[text]
    if text in "εϵ" and not re.match(r"CMMI|LMMathItalic|EUR|[rt]?[tp]xmi|rpxmi|Rpxmi|MLMMI", font):
        return symbol, "?"  # some families have one epsilon under both names
    if is_bold or re.search(r"^CMMIB|^EURB|Bold|bmi\b", font):
        return symbol, r"\bm"
    if symbol[1].isupper() and (is_italic or _MATH_ITALIC.search(font)):
        return symbol, "?"
    return symbol, ""


def _letter_style(text: str, font: str, is_italic: bool, is_bold: bool) -> str:
    if _BLACKBOARD.search(font):
        return r"\mathbb"
    if _FRAKTUR.search(font):
        return "?" if is_bold or "EUFB" in font else r"\mathfrak"
    if font == "Kp--M-Regular":
        return "?"  # Fraktur and others beside the capital Greek letters
    if _SCRIPT.search(font):
        return r"\mathscr" if text.isupper() else "?"
    if re.match(r"^CMMIB|^EURB|.*(?<![a-z])bmi|^LMMathItalic.*Bold", font):
        return r"\bm"
    if _EULER.match(font):
        return ""
    if text.isalpha() and _CALLIGRAPHIC.search(font) and not _MATH_ITALIC.search(font):
        return r"\mathcal" if text.isupper() and not is_bold else "?"
    if _TYPEWRITER.search(font):
        return r"\mathtt"
    if text.isdigit() and _SANS.search(font):
        return r"\mathsf"
    if text.isdigit():
        return r"\mathbf" if is_bold or re.match(r"^(CMBX|SFBX)", font) else ""
    if _MATH_ITALIC.search(font):
        return r"\bm" if is_bold else ""
    if is_bold or re.match(r"^(CMBX|SFBX|Kp-Medium)", font):
        return r"\bm" if is_italic else r"\mathbf"
    if re.match(r"^(CMTI|SFTI|LMRoman\d+-Italic)", font):
        return r"\mathit"
    if is_italic:
        return ""
    return r"\mathsf" if _SANS.search(font) else r"\mathrm"
