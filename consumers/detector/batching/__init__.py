"""Which frames go into the next batch, and which are given up. Pure.

Time is monotonic seconds, passed in; `now` never goes back. Frames are put in the order of
`queued_at`. With n frames and g groups waiting, a call takes O(log n) a frame, over time, and
O(g) a batch; only `drop` and `drop_group` look at every frame.

**Batches.** One group and at most `size_max` frames. A group is due when it holds
min(`size_max`, rate x fixed) frames, its oldest frame has waited `wait_s`, or one would expire in
the engine if it waited longer. `rate` is how fast the group's frames come and `fixed` the part of
a batch's time that does not grow with its size, both measured: a frame that joins saves `fixed`,
and waiting for it costs 1 / rate. Where time grows with the size alone (most CPUs) nothing waits;
where large batches are nearly free (GPUs) up to `wait_s`. Before `observe` was called, a batch is
full or `wait_s` old. Two more limits follow from the measured time: a batch takes at most 0.1 s,
or is of the smallest size that costs at most 2 % more a frame than `size_max`; and a frame that
joins others must not make any of the batch expire in the engine.

**Streams.** Deficit round-robin by `cost`: of two streams of a group and tier that both wait, none
is given more than the other by more than one frame of each; in different groups, by one batch
and one frame of each. A stream's frames of one group and tier leave in the order they came.

**Tiers.** Priority first. While both wait, standard gets at least 1 in `PRIORITY_RUN_MAX` + 1 of
the work, less at most `PRIORITY_RUN_MAX` of its own batches and one of priority. Within 10 s of
a priority frame a batch takes at most `priority_wait_s`, or is of the smallest size that costs at
most half as much more a frame than `size_max` (where time grows with the size alone: one frame),
and the `last` free engine takes only groups with priority frames. So a priority frame finds one
free, or waits for the k batches at work, k times the longer of these.

**Giving up.** `expired` has reached its maximum age and takes nobody's place. `shed` gives up what
its stream's share cannot serve before its maximum age: the share is measured (what a stream that
always waits is given in a second), and nothing is shed while it is not known, or once an engine
is idle. The oldest go first, so that what is detected is fresh and in order, and the lane behind
them moves on. A stream that for a second has been asking for more than its share, and had more
waiting than can be served, floods: most of its frames are lost whichever are kept, so it keeps
only its newest, less the more it floods. The newest frame, and one of which tiles were taken, stay.
"""

from consumers.detector.batching.batcher import PRIORITY_WAIT_S, Batcher
from consumers.detector.batching.queued import Batch, Group, Queued
from consumers.detector.batching.turns import PRIORITY_RUN_MAX

__all__ = ["PRIORITY_RUN_MAX", "PRIORITY_WAIT_S", "Batch", "Batcher", "Group", "Queued"]
