"""From a YOLO model's raw outputs to objects, for all five tasks. Pure numpy (and cv2's outlines).

Agrees with Ultralytics' `predict` (https://docs.ultralytics.com/modes/predict/) at the same
thresholds. At most `CANDIDATES_MAX` candidates a picture enter suppression, at most `OBJECTS_MAX`
leave it, so that a confidence near zero stays affordable. Of an end-to-end head only the confidence
is asked, as in Ultralytics: the overlap of duplicates does nothing. Every engine ends here.
"""

from consumers.detector.postprocess.candidates import CANDIDATES_MAX, OBJECTS_MAX
from consumers.detector.postprocess.heads import Head
from consumers.detector.postprocess.objects import objects_for, objects_of

__all__ = ["CANDIDATES_MAX", "OBJECTS_MAX", "Head", "objects_for", "objects_of"]
