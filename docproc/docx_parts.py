"""The parts of a .docx file that are the same in each: types, relations, styles.

Source: ECMA-376 (Office Open XML), parts 1 and 2.
"""

from __future__ import annotations

_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_MATH = "http://schemas.openxmlformats.org/officeDocument/2006/math"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml"
_RIGHT = '<w:jc w:val="right"/>'
_TYPEWRITER = '<w:rFonts w:ascii="Courier New" w:hAnsi="Courier New"/>'
# A4 with margins of an inch, in twentieths of a point.
DOCUMENT_TAIL = (
    '<w:sectPr><w:pgSz w:w="11906" w:h="16838"/><w:pgMar w:top="1440" w:right="1273" w:bottom="1440" w:left="1273" '
    'w:header="708" w:footer="708" w:gutter="0"/></w:sectPr></w:body></w:document>'
)


def document_head() -> str:
    """Opens word/document.xml up to its first paragraph; `DOCUMENT_TAIL` closes it."""
    return f'{_XML}<w:document xmlns:w="{_WORD}" xmlns:m="{_MATH}"><w:body>'


def static_parts() -> dict[str, str]:
    """All files of the archive but word/document.xml, by name."""
    return {
        "[Content_Types].xml": f'{_XML}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/word/document.xml" ContentType="{_TYPE}.document.main+xml"/>'
        f'<Override PartName="/word/styles.xml" ContentType="{_TYPE}.styles+xml"/></Types>',
        "_rels/.rels": f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
        f'Type="{_OFFICE}/officeDocument" Target="word/document.xml"/></Relationships>',
        "word/_rels/document.xml.rels": f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
        "word/styles.xml": _styles(),
    }


def _styles() -> str:
    # Sizes in half points.
    headings = "".join(
        _style(f"Heading{level}", f"heading {level}", size, _outline(level), "<w:b/>")
        for level, size in enumerate((32, 28, 25, 23, 22, 22), 1)
    )
    lines = "".join(
        f'<w:{side} w:val="single" w:sz="4" w:space="0" w:color="808080"/>'
        for side in ("top", "left", "bottom", "right", "insideH", "insideV")
    )
    return (
        f'{_XML}<w:styles xmlns:w="{_WORD}"><w:docDefaults><w:rPrDefault><w:rPr>'
        '<w:rFonts w:ascii="Cambria" w:hAnsi="Cambria"/><w:sz w:val="22"/></w:rPr></w:rPrDefault>'
        '<w:pPrDefault><w:pPr><w:spacing w:after="120" w:line="264" w:lineRule="auto"/></w:pPr></w:pPrDefault>'
        '</w:docDefaults>'
        '<w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/></w:style>'
        f"{_style('Title', 'Title', 44, '', '')}{headings}"
        f"{_style('Caption', 'caption', 20, '', '<w:i/>')}{_style('Footnote', 'footnote text', 18, '', '')}"
        f"{_style('Number', 'Equation Number', 22, _RIGHT, '')}{_style('Code', 'Code', 19, '', _TYPEWRITER)}"
        '<w:style w:type="table" w:styleId="TableGrid"><w:name w:val="Table Grid"/>'
        f"<w:tblPr><w:tblBorders>{lines}</w:tblBorders></w:tblPr></w:style></w:styles>"
    )


def _outline(level: int) -> str:
    return f'<w:keepNext/><w:outlineLvl w:val="{level - 1}"/>'


def _style(identity: str, name: str, size: int, paragraph: str, run: str) -> str:
    return (
        f'<w:style w:type="paragraph" w:styleId="{identity}"><w:name w:val="{name}"/><w:basedOn w:val="Normal"/>'
        f'<w:pPr>{paragraph}</w:pPr><w:rPr>{run}<w:sz w:val="{size}"/></w:rPr></w:style>'
    )
