"""Which tables docs/performance.md shows: a title for each benchmark, and its columns."""

from collections.abc import Callable

from benchmarks.record import Fields, Record

Column = tuple[str, Callable[[Record], object]]


def _parameter(name: str) -> Callable[[Record], object]:
    return lambda made: made.parameters.get(name)


def _figure(name: str) -> Callable[[Record], object]:
    return lambda made: made.figures.get(name)


def _grouping(name: str) -> Callable[[Record], object]:
    return lambda made: made.figures["whole_hours_ms"][name]


def _load(made: Record) -> str:
    return f"{made.parameters['load']:.0%}"


def _detected(made: Record) -> str:
    frames: Fields = made.figures["frames"]
    total = sum(frames.values())
    return f"{frames['detected'] / total:.1%} of {total}" if total else "none"


def _machine(made: Record) -> str:
    machine = made.machine
    return machine.gpu or f"{machine.cpu}, {machine.cores} cores"


def _model(made: Record) -> str:
    described = made.parameters
    if "model" not in described:  # of a time at which there was one model only
        return "park-n 384x512"
    words = [f"{described['model']} {described['height']}x{described['width']}"]
    if described["weights"] != "trained":
        words.append(described["weights"])
    if described.get("engine_setting", "auto") != "auto":
        words.append(f"engine {described['engine_setting']}")
    return ", ".join(words)


def _share(name: str) -> Callable[[Record], object]:
    return lambda made: f"{made.figures[name]:.1%}"


def _stages(made: Record) -> str:
    return ", ".join(f"{name} {value}" for name, value in made.figures["steady_ms"].items())


def _ended(status: str) -> Callable[[Record], object]:
    return lambda made: made.figures["frames"][status]


SHARED: tuple[Column, ...] = (
    ("date", lambda made: made.at.date()),
    ("commit", lambda made: made.commit),
    ("machine", _machine),
)
TABLES: dict[str, tuple[str, tuple[Column, ...]]] = {
    "latency": (
        "Latency, from capture to committed detection (ms)",
        (
            ("load", _load),
            ("frames/s", _parameter("rate_per_second")),
            ("p50", _figure("p50_ms")),
            ("p95", _figure("p95_ms")),
            ("p99", _figure("p99_ms")),
            ("inference", _figure("inference_ms")),
            ("p50 - inference", _figure("p50_minus_inference_ms")),
            ("detected in time", _detected),
            ("engine", _figure("engine")),
            ("charged exactly", _figure("exact")),
        ),
    ),
    "detector": (
        "Detector against the bare engine and Ultralytics' predict (images a second)",
        (
            ("model", _model),
            ("bare engine", _figure("bare_images_per_second")),
            ("detector", _figure("detector_images_per_second")),
            ("detector / bare", _figure("detector_to_bare")),
            ("predict", _figure("predict_images_per_second")),
            ("detector / predict", _figure("detector_to_predict")),
            ("of the bf16 limit, %", _figure("of_peak_percent")),
            ("decoding alone", _figure("decoded_images_per_second")),
            ("objects an image", _figure("objects_per_image")),
            ("frames", _parameter("frames")),
            ("engine", _figure("engine")),
            ("each frame once", _figure("exact")),
        ),
    ),
    "pipeline": (
        "The whole pipeline against Ultralytics' `.streams`, four files (images a second)",
        (
            ("model", _model),
            ("pipeline", _figure("pipeline_images_per_second")),
            ("`.streams`, torch", _figure("torch_images_per_second")),
            ("pipeline / torch", _figure("pipeline_to_torch")),
            ("`.streams`, its OpenVINO", _figure("openvino_images_per_second")),
            ("pipeline / OpenVINO", _figure("pipeline_to_openvino")),
            ("frames", _parameter("frames")),
            ("engine", _figure("engine")),
            ("one camera dies: others complete", _figure("others_complete")),
            ("charged exactly", _figure("exact")),
        ),
    ),
    "int8": (
        "int8 against float (images a second, AP50)",
        (
            ("model", _model),
            ("float", _figure("float_images_per_second")),
            ("int8", _figure("int8_images_per_second")),
            ("int8 / float", _figure("int8_to_float")),
            ("AP50 float", _figure("float_ap50")),
            ("AP50 int8", _figure("int8_ap50")),
            ("loss", _figure("ap50_loss")),
            ("accepted", _figure("accepted")),
            ("engine", _figure("engine")),
        ),
    ),
    "overload": (
        "Twice as many frames as the detector can do",
        (
            ("model", _model),
            ("frames/s", _parameter("rate_per_second")),
            ("s", _parameter("seconds")),
            ("maxage, ms", _parameter("max_age_ms")),
            ("age p50, ms", _figure("p50_ms")),
            ("p99, ms", _figure("p99_ms")),
            ("published", _figure("published")),
            ("detected", _ended("detected")),
            ("expired", _ended("expired")),
            ("memory, MiB", _figure("memory_median_mib")),
            ("drift, %", _figure("drift_percent")),
            ("each frame once", _figure("exact")),
        ),
    ),
    "fairness": (
        "One camera that floods beside seven that do not",
        (
            ("model", _model),
            ("capacity/s", _parameter("capacity_per_second")),
            ("each of seven, fps", _parameter("modest_per_second")),
            ("the flood, fps", _parameter("flood_per_second")),
            ("in its partition", _parameter("share_its_partition")),
            ("seven keep", _share("modest_kept")),
            ("the worst of them", _share("modest_kept_worst")),
            ("the flood keeps", _share("flood_kept")),
            ("seven p99, ms", _figure("modest_p99_ms")),
            ("each frame once", _figure("exact")),
        ),
    ),
    "priority": (
        "The priority tier beside an overload of standard frames (ms)",
        (
            ("model", _model),
            ("priority/s", _parameter("priority_per_second")),
            ("standard/s", _parameter("standard_per_second")),
            ("p99 alone", _figure("idle_p99_ms")),
            ("p99 beside the overload", _figure("loaded_p99_ms")),
            ("ratio", _figure("loaded_to_idle")),
            ("p50 alone", _figure("idle_p50_ms")),
            ("p50 beside it", _figure("loaded_p50_ms")),
            ("priority keeps", _share("priority_kept")),
            ("each frame once", _figure("exact")),
        ),
    ),
    "stall": (
        "One of eight cameras stalls 500 ms every 2 s",
        (
            ("model", _model),
            ("frames/s of all", _parameter("rate_per_second")),
            ("the others' fps, steady", _figure("others_steady_per_second")),
            ("with stalls", _figure("others_stalled_per_second")),
            ("change, %", _figure("others_change_percent")),
            ("their p99 steady, ms", _figure("others_steady_p99_ms")),
            ("with stalls, ms", _figure("others_stalled_p99_ms")),
            ("each frame once", _figure("exact")),
        ),
    ),
    "swaps": (
        "Changes of the model under load",
        (
            ("model", _model),
            ("swaps", _parameter("swaps")),
            ("frames/s", _parameter("rate_per_second")),
            ("longest gap without, ms", _figure("gap_usual_ms")),
            ("with swaps, ms", _figure("gap_swapping_ms")),
            ("pause, ms", _figure("pause_ms")),
            ("p99 without, ms", _figure("p99_usual_ms")),
            ("with swaps, ms", _figure("p99_swapping_ms")),
            ("s a swap", _figure("seconds_per_swap")),
            ("memory, MiB", _figure("memory_median_mib")),
            ("drift, %", _figure("drift_percent")),
            ("no frame lost", _figure("exact")),
        ),
    ),
    "openings": (
        "Memory over openings of streams: median (MiB) and drift (%)",
        (
            ("openings", _parameter("openings")),
            ("producer", _figure("producer_median_mib")),
            ("drift", _figure("producer_drift_percent")),
            ("gateway", _figure("gateway_median_mib")),
            ("drift", _figure("gateway_drift_percent")),
            ("detector", _figure("detector_median_mib")),
            ("drift", _figure("detector_drift_percent")),
            ("biller", _figure("biller_median_mib")),
            ("drift", _figure("biller_drift_percent")),
            ("charged exactly", _figure("exact")),
        ),
    ),
    "waterfall": (
        "Where the time of a frame goes at 25 % load (means, ms)",
        (
            ("model", _model),
            ("engine", _figure("engine")),
            ("frames/s", _parameter("rate_per_second")),
            ("capture to visible", _figure("steady_total_ms")),
            ("stages", _stages),
            ("a frame when saturated", _figure("saturated_frame_ms")),
            ("each frame once", _figure("exact")),
        ),
    ),
    "biller": (
        "Biller (events a second)",
        (
            ("biller", _figure("events_per_second")),
            ("an UPDATE an event", _figure("usual_updates_per_second")),
            ("biller / UPDATEs", _figure("biller_to_usual")),
            ("a dedup table", _figure("usual_dedups_per_second")),
            ("biller / dedup", _figure("biller_to_dedups")),
            ("events", _parameter("events")),
            ("charged exactly", _figure("exact")),
        ),
    ),
    "delay": (
        "From a usage event to its charge, at a steady pace (ms)",
        (
            ("events/s", _parameter("events_per_second")),
            ("p50", _figure("p50_ms")),
            ("p95", _figure("p95_ms")),
            ("p99", _figure("p99_ms")),
            ("events", _figure("events")),
            ("charged exactly", _figure("exact")),
        ),
    ),
    "funding": (
        "Renewals of one account's streams",
        (
            ("renewals/s", _figure("renewals_per_second")),
            ("p50, ms", _figure("p50_ms")),
            ("p99, ms", _figure("p99_ms")),
            ("a transaction each", _figure("usual_renewals_per_second")),
            ("together / each", _figure("together_to_usual")),
            ("streams", _parameter("streams")),
            ("held exactly", _figure("exact")),
        ),
    ),
    "reports": (
        "Reports of a month, medians (ms)",
        (
            ("total", _grouping("total")),
            ("by stream", _grouping("stream")),
            ("by stream, status", _grouping("stream_status")),
            ("by day", _grouping("day")),
            ("by stream, hour", _grouping("stream_hour")),
            ("slowest of all", _figure("slowest_ms")),
            ("statement", _figure("statement_ms")),
            ("rows by minute", _parameter("usage_minute_rows")),
            ("exact", _figure("exact")),
        ),
    ),
    "memory": (
        "Memory of the biller while it charges (MiB)",
        (
            ("events", _parameter("events")),
            ("after a tenth", _figure("memory_first_mib")),
            ("median", _figure("memory_median_mib")),
            ("most", _figure("memory_most_mib")),
            ("at the end", _figure("memory_last_mib")),
            ("drift, %", _figure("drift_percent")),
            ("spread, %", _figure("spread_percent")),
            ("charged exactly", _figure("exact")),
        ),
    ),
}
