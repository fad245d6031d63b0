"""docproc: find, read, check, store and search the formulas of whole documents."""

import os

__version__ = "0.1.0"

# The OCR's engine, onnxruntime, reports every session to its maker from version 1.29 on, unless it finds this in the
# environment when it is loaded. Whoever imports docproc has nothing else sent for them.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
