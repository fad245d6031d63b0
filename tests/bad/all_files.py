"""All hostile and odd files."""

from pathlib import Path

from tests.bad.files import Odd, pdfs
from tests.bad.metadata import metadata
from tests.bad.pictures import pictures
from tests.bad.places import places
from tests.bad.resources import resources
from tests.bad.structures import structures


def write_all(folder: Path) -> list[Odd]:
    """Write all files into a folder, which is made."""
    folder.mkdir(parents=True)
    found = [*pdfs(), *structures(), *resources(), *pictures(), *metadata(), *places()]
    for odd in found:
        odd.write(folder / odd.name)
    return found
