"""`python -m tests.bad FOLDER`: write all hostile and odd files."""

import sys
from pathlib import Path

from tests.bad.all_files import write_all

if __name__ == "__main__":
    for odd in write_all(Path(sys.argv[1])):
        print(ascii(odd.name), "fails:" if odd.line is not None else "is read", odd.line or "")
