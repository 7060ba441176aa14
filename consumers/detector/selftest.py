"""What a model must pass before it may run: two pictures, its task, its classes.

Promises that an engine which passes can be asked for every size that it is said to be ready for.
"""

from collections.abc import Collection, Sequence

import numpy as np

from consumers.detector.decode import Pictures
from consumers.detector.engines.protocol import Engine
from wire.errors import Rejected
from wire.models import ModelSpec

Size = tuple[int, int]
TEST_SIZE: Size = (128, 128)
"""What is tried when no size is in use yet; every stride of YOLO divides it, and it has the 300
anchors that an exported end-to-end head needs."""
GREY = 114
SHOWN_MAX = 5


def self_test(
    engine: Engine, spec: ModelSpec, sizes: Collection[Size], classes: Sequence[str] | None
) -> dict[Size, str]:
    """Try the engine at each size; return the sizes that it cannot take, with the reason.

    `classes` are those of the version that it shall replace, None when there is none. Raises
    `Rejected` when the task or the classes are others, or when it can run at no size.
    """
    check_task(engine, spec)
    if classes is not None:
        check_classes(engine.classes, classes)
    bad: dict[Size, str] = {}
    tried = sorted(sizes) or [TEST_SIZE]
    for size in tried:
        try:
            try_size(engine, size)
        except Exception as error:  # noqa: BLE001  (counted: its frames fail with the reason)
            bad[size] = f"it cannot run {size[0]}x{size[1]}: {error}"
    if len(bad) == len(tried):
        raise Rejected(next(iter(bad.values())))
    return bad


def check_task(engine: Engine, spec: ModelSpec) -> None:
    """Raise `Rejected` when the model does something else than its spec says."""
    if engine.task != spec.task:
        raise Rejected(
            f"the weights are for {engine.task}, model {spec.model} is registered for {spec.task}"
        )


def check_classes(found: Sequence[str], wanted: Sequence[str]) -> None:
    """Raise `Rejected` with the difference when the classes are not the same, id by id."""
    if list(found) == list(wanted):
        return
    lost = [name for name in wanted if name not in set(found)]
    new = [name for name in found if name not in set(wanted)]
    parts = [
        f"{word} {', '.join(names[:SHOWN_MAX])}{' …' if len(names) > SHOWN_MAX else ''}"
        for word, names in (("without", lost), ("with", new))
        if names
    ]
    how = " and ".join(parts) or "in another order"
    raise Rejected(
        f"it has other classes than the active version ({len(found)}, not {len(wanted)}: {how}):"
        " register it as a model of its own"
    )


def try_size(engine: Engine, size: Size) -> None:
    """Prepare the size and infer a grey and a noisy picture; raise what goes wrong."""
    engine.prepare(*size)
    for picture in (grey(size), noise(size)):
        found = engine.infer(picture)
        if len(found) != 1:
            raise Rejected(f"{len(found)} answers for one picture")


def grey(size: Size) -> Pictures:
    """Return one picture of the letterbox's colour."""
    return np.full((1, *size, 3), GREY, dtype=np.uint8)


def noise(size: Size) -> Pictures:
    """Return one picture of noise, always the same."""
    return np.random.default_rng(0).integers(0, 256, (1, *size, 3), dtype=np.uint8)
