"""The whole pipeline on four files, as fast as they go, beside Ultralytics' `.streams`.

Producer, Kafka, detector, gateway and biller share the cores, as a user runs them; Ultralytics
has the same cores for itself, first by torch, then by its own OpenVINO export. Afterwards
the four files are played again, and one of them breaks off in the middle: the other cameras
must not notice.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.clips import cut_clips, truncate
from benchmarks.ground import START_TIMEOUT_S, Site
from benchmarks.play import first_model
from benchmarks.progress import follow, growth_per_second
from benchmarks.record import Fields, Measured
from benchmarks.rival import Predicted, predict_streams
from benchmarks.subject import Subject, subject
from benchmarks.system import System, running
from cli.demo.result import detector_figures
from wire.usage import Status

CAMERAS = 4
ROUNDS = 2
FRAMES_PER_SECOND_OF_RUN = 12
"""How long the clips are, for each second of `--seconds`."""
WARM_UP_FRAMES = 16
DEAD_SHARE = 0.4
"""How much of the dying camera's file is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """One turn of ours."""

    images_per_second: float
    exact: bool
    inside: Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One turn of each."""

    ours: Played
    torch: Predicted
    openvino: Predicted


async def measure(site: Site) -> AsyncIterator[Measured]:
    """Yield one measurement, of all rounds and of a dying camera."""
    found = await subject(first_model(site), site.folder)
    frames = max(2 * WARM_UP_FRAMES, round(site.seconds * FRAMES_PER_SECOND_OF_RUN))
    site.say(f"cutting {CAMERAS} clips of {frames} frames")
    clips = cut_clips(site.folder / "clips", CAMERAS, frames=frames)
    (warm,) = cut_clips(site.folder / "clips" / "warm", 1, frames=WARM_UP_FRAMES)
    listed = site.folder / "clips" / "four.streams"
    listed.write_text("\n".join(str(clip) for clip in clips), "utf-8")
    rounds = []
    for number in range(ROUNDS):
        site.say(f"round {number + 1}: the pipeline, {CAMERAS * frames} frames")
        ours = await _play(site, found, f"pipeline{number}", warm, clips, CAMERAS * frames)
        site.say(f"round {number + 1}: Ultralytics, torch")
        torch = await predict_streams(found, listed, openvino=False)
        site.say(f"round {number + 1}: Ultralytics, its OpenVINO export")
        openvino = await predict_streams(found, listed, openvino=True)
        rounds.append(Round(ours=ours, torch=torch, openvino=openvino))
    site.say("the pipeline, one camera of which dies")
    dead = truncate(clips[0], site.folder / "clips" / "dead.mp4", share=DEAD_SHARE)
    death = await _die(site, found, warm, [dead, *clips[1:]], frames)
    yield Measured(
        benchmark="pipeline",
        parameters=found.described()
        | {"engine_setting": site.choice.engine}
        | {"cameras": CAMERAS, "frames": CAMERAS * frames, "rounds": ROUNDS},
        figures=compare(rounds)
        | death
        | {"exact": all(it.ours.exact for it in rounds) and death["others_complete"]},
    )


async def _play(
    site: Site, found: Subject, name: str, warm: Path, clips: Sequence[Path], frames: int
) -> Played:
    async with running(site, name, found) as system:
        await _warm_up(system, warm)
        streams = [f"camera-{number}" for number in range(len(clips))]
        await system.add([system.camera(*each) for each in zip(streams, clips, strict=True)])
        ended = await _follow(site, system, frames)
        inside = detector_figures(await system.ground.metrics("detector"))
        seen = system.sight.seen
        await system.remove([*streams, "warm"])
        exact = await system.is_exact(detected=frames + WARM_UP_FRAMES)
        return Played(
            images_per_second=ended,
            exact=exact and seen.statuses[Status.DETECTED] == frames and not seen.copies,
            inside=inside,
        )


async def _warm_up(system: System, warm: Path) -> None:
    """Play a short file, so that every process has done everything once."""
    await system.add([system.camera("warm", warm)])
    await system.ground.until(
        lambda: system.sight.seen.frames >= WARM_UP_FRAMES,
        what="the first frames were detected",
        timeout_s=2 * START_TIMEOUT_S,
    )
    system.sight.blink()


async def _follow(site: Site, system: System, frames: int) -> float:
    """Return images a second, from the first detection that is seen to the last."""

    async def committed() -> int:
        return system.sight.seen.frames

    steps = await follow(
        committed, total=frames, check=system.ground.check, timeout_s=site.patience_s
    )
    return growth_per_second(steps)


async def _die(
    site: Site, found: Subject, warm: Path, clips: Sequence[Path], frames: int
) -> Fields:
    """Play the files, the first of which breaks off; say what the others did."""
    streams = [f"camera-{number}" for number in range(len(clips))]
    others = streams[1:]
    async with running(site, "pipeline_death", found) as system:
        await _warm_up(system, warm)
        await system.add([system.camera(*each) for each in zip(streams, clips, strict=True)])
        await system.ground.until(
            lambda: system.sight.seen.detected_of(others) >= frames * len(others),
            what="the cameras that live have all their frames detected",
            timeout_s=site.patience_s,
        )
        await system.remove([*streams, "warm"])
        settled = await system.has_settled()
        seen = system.sight.seen
        dead = seen.detected_of(streams[:1])
        exact = await system.is_exact(detected=seen.statuses[Status.DETECTED] + WARM_UP_FRAMES)
    return {
        "dead_camera_frames": dead,
        "others_frames": seen.detected_of(others),
        "others_complete": settled and exact and 0 < dead < frames and not seen.copies,
    }


def compare(rounds: Sequence[Round]) -> Fields:
    """Return the medians of the rounds, and their ratios."""
    ours = median(turn.ours.images_per_second for turn in rounds)
    torch = median(turn.torch.images_per_second for turn in rounds)
    openvino = median(turn.openvino.images_per_second for turn in rounds)
    return {
        "pipeline_images_per_second": round(ours, 1),
        "torch_images_per_second": round(torch, 1),
        "openvino_images_per_second": round(openvino, 1),
        "pipeline_to_torch": round(ours / torch, 2),
        "pipeline_to_openvino": round(ours / openvino, 2),
        "engine": rounds[-1].ours.inside["engine"],
        "batch_mean": rounds[-1].ours.inside["batch_mean"],
        "torch_device": rounds[-1].torch.device,
        "rounds": [
            {
                "pipeline": round(turn.ours.images_per_second, 1),
                "torch": round(turn.torch.images_per_second, 1),
                "openvino": round(turn.openvino.images_per_second, 1),
            }
            for turn in rounds
        ],
    }
