"""docproc: find, read, check, store and search the formulas of whole documents."""

__version__ = "0.1.0"
