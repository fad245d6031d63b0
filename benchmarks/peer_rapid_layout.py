"""Boxes of rapid-layout's class `equation` for pictures; runs in an environment of its own.

rapid-layout brings another OpenCV than docproc, so it has an environment of its own, whose Python the
variable PEER_PYTHON names; `benchmarks.regions --system rapid-layout` calls this file there:

    python peer_rapid_layout.py PICTURE...

One JSON line a picture: {"boxes": [[x0, y0, x1, y1], …] in pixels, "seconds": processor time}.
"""

import json
import sys
import time

import cv2
from rapid_layout import ModelType, RapidLayout, RapidLayoutInput


def main() -> None:
    """Read each picture and print its equations."""
    engine = RapidLayout(RapidLayoutInput(model_type=ModelType.PP_LAYOUT_CDLA))
    for path in sys.argv[1:]:
        picture = cv2.imread(path)
        start = time.process_time()
        result = engine(picture)
        seconds = time.process_time() - start
        found = zip(result.boxes, result.class_names, strict=True)
        boxes = [[float(edge) for edge in box] for box, name in found if name == "equation"]
        print(json.dumps({"boxes": boxes, "seconds": seconds}))


if __name__ == "__main__":
    main()
