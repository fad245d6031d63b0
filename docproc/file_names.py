"""Names of the Markdown files: made of what the database keeps of a document's path, whatever bytes that holds."""

from __future__ import annotations

from pathlib import PurePath

# Longest file name most systems take, less what is put behind it: hash, suffix, and the mark of an unfinished file.
_LONGEST_STEM_BYTES = 200


def markdown_stem(name: str) -> str:
    r"""The stem of a document's Markdown.

    Args:
        name: The path as the database has it, from `path_text`: control characters and bytes that are no UTF-8 stand
            there as `\n` or `\xe9`, and become `_n` and `_xe9` here.

    Returns:
        At most 200 bytes in UTF-8.
    """
    stem = PurePath(name).stem.replace("\\", "_")
    return stem.encode("utf-8", "replace")[:_LONGEST_STEM_BYTES].decode("utf-8", "ignore")


class StemIndex:
    """Which documents have which stem, whatever its case: two of one stem need two files."""

    def __init__(self) -> None:
        self._stems: dict[int, str] = {}
        self._ids: dict[str, set[int]] = {}

    def put(self, document_id: int, name: str) -> None:
        """Note the path of a document, in place of an earlier one."""
        stem = markdown_stem(name).casefold()
        old = self._stems.get(document_id)
        if old is not None:
            self._ids[old].discard(document_id)
        self._stems[document_id] = stem
        self._ids.setdefault(stem, set()).add(document_id)

    def is_taken(self, document_id: int) -> bool:
        """Whether an earlier document has the stem of this one."""
        return min(self._ids[self._stems[document_id]]) < document_id
