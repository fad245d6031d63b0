import pytest
from hypothesis import given
from hypothesis import strategies as st

from docproc.word_kinds import WordKind, is_code, is_plausible_word, judge_beside, judge_word


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        *((text, WordKind.PROSE) for text in ("the", "wave,", "PDEs", "i.e.", "(see", "www.a.org", "ma-", "H2O")),
        *((text, WordKind.MATH) for text in ("x", "cn", "α", "f(x),", "(c2∇u)", "xi", "2x", "x=3", "T₁2", "cov(U,")),
        *((text, WordKind.NUMBER) for text in ("12", "$38.61", "31%", "1,250.00", "1904–1907", "150MHz", "3rd")),
        *((text, WordKind.OPERATOR) for text in ("=", "+", "<", "→", ":", "...")),
        *((text, WordKind.REFERENCE) for text in ("(3.2)", "[12]", "(A.1),", "[I.3]")),
        *((text, WordKind.FUNCTION) for text in ("sin", "log", "max")),
        ("a", WordKind.LETTER),
    ],
)
def test_kind_of_a_word(text: str, kind: WordKind) -> None:
    assert judge_word(text) is kind


def kinds_of(line: str, wide_after: int = -1) -> list[str]:
    texts = line.split()
    spaces = [2.0 if index == wide_after else 1.0 for index in range(len(texts))]
    return [kind.value for kind in judge_beside([judge_word(text) for text in texts], texts, spaces)]


def test_initials_units_and_labels_are_prose() -> None:
    assert kinds_of("due to C. Adler of Leeds")[2] == "prose"
    assert kinds_of("was set to 40 V and left")[4] == "prose"
    assert kinds_of("as Theorem B shows")[2] == "prose"


def test_symbol_at_the_end_of_a_sentence_is_no_initial() -> None:
    assert kinds_of("it depends on Z. Nobody had expected", wide_after=3)[3] == "math"


def test_chinese_signs_are_symbols_on_a_latin_page_only() -> None:
    assert judge_word("入") is WordKind.MATH
    assert judge_word("入", is_cjk_page=True) is WordKind.PROSE


def test_code_is_told_from_prose() -> None:
    assert is_code("def beta(node, count=0):")
    assert is_code("for (int i = 0; i < n; i++) {")
    assert not is_code("for all i in the set we have x = 3.")


def test_plausible_words() -> None:
    assert is_plausible_word("wave,")
    assert not is_plausible_word("cnx")


@given(st.text(max_size=20), st.booleans())
def test_any_text_has_a_kind(text: str, is_cjk_page: bool) -> None:
    assert isinstance(judge_word(text, is_cjk_page=is_cjk_page), WordKind)
    judge_beside([judge_word(text)] * 2, [text, text], [1.0, 1.0])
    is_code(text)
