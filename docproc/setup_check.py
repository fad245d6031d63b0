"""The last line of `make setup`: says whether the PyTorch that came fits this machine."""

from __future__ import annotations

import shutil
import sys


def main() -> None:
    """Print one line; a CUDA build where there is no GPU is named with the next step."""
    import torch

    where = "" if torch.version.cuda is None else f", CUDA {torch.version.cuda}"
    line = f"docproc is ready: Python {sys.version.split()[0]}, PyTorch {torch.__version__}{where}."
    if torch.version.cuda is not None and not torch.cuda.is_available() and shutil.which("nvidia-smi") is None:
        line += (
            " This is a CUDA build (gigabytes) and there is no GPU here: it works, but "
            "`make clean setup TORCH_INDEX=…` "
            "with the CPU index of pytorch.org's installation page makes it far smaller."
        )
    print(line)


if __name__ == "__main__":
    main()
