"""Text that may stand in XML 1.0."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(text: str) -> str:
    """Escape for element content and for attributes in double quotes; characters that XML has not are left out."""
    return escape(_ILLEGAL.sub("", text), {'"': "&quot;"})
