"""One stream as it is being watched: its line of frames, and the camera that fills it."""

import asyncio
from collections.abc import Callable

import structlog

from pipeline.camera import Camera, Studio, is_patient
from pipeline.line import Contract, Line
from wire.streams import StreamSpec

CAMERA_STOP_WAIT_S = 0.5
PATIENT_FRAMES_PER_SECOND = 50.0
"""A file that is played as fast as possible gets the largest grants."""
log = structlog.stdlib.get_logger("pipeline.watch")

LineOf = Callable[[Contract], Line]


class Watch:
    """Starts at once; `stop` ends it in order: camera, answers, session."""

    def __init__(self, spec: StreamSpec, studio: Studio, line_of: LineOf) -> None:
        self.spec = spec
        self._studio = studio
        self._line_of = line_of
        self._open_line()
        self._start()

    async def amend(self, spec: StreamSpec) -> None:
        """Go on with another source, pace or quality, in the same session."""
        await self._stop_camera()
        self.spec = spec
        if self._line.closed:
            self._open_line()
        self._line.amend(contract_of(spec))
        self._start()
        log.info("stream changed", stream=spec.stream)

    async def pause(self) -> None:
        """Close the session and publish nothing until `resume`; the camera goes on."""
        await self._line.pause("streams are shared out anew")

    def resume(self) -> None:
        """Publish again."""
        self._line.resume()

    async def stop(self, reason: str, *, patient: bool) -> None:
        """Stop within a few seconds, and tell the gateway what was published."""
        await self._stop_camera()
        self._keeping.cancel()
        await self._line.close(reason, patient=patient)
        log.info("stream stopped", stream=self.spec.stream, reason=reason)

    def _open_line(self) -> None:
        self._line = self._line_of(contract_of(self.spec))
        self._keeping = asyncio.create_task(self._line.keep_alive())

    def _start(self) -> None:
        self._camera = Camera(self.spec, self._line, self._studio)
        self._running = asyncio.create_task(self._run(self._camera))

    async def _run(self, camera: Camera) -> None:
        try:
            await camera.run()
        except Exception:
            log.exception("a camera failed in a way that was not foreseen", stream=self.spec.stream)
            raise
        if camera.stopped:
            return
        self._keeping.cancel()
        await self._line.close("ended", patient=True)
        log.info("the source has ended", stream=self.spec.stream)

    async def _stop_camera(self) -> None:
        self._camera.stop()
        await asyncio.wait({self._running}, timeout=CAMERA_STOP_WAIT_S)
        if not self._running.done():
            self._running.cancel()
            await asyncio.wait({self._running}, timeout=CAMERA_STOP_WAIT_S)


def contract_of(spec: StreamSpec) -> Contract:
    """Return what the stream's frames are published under."""
    return Contract(
        account=spec.account,
        stream=spec.stream,
        model=spec.model,
        height=spec.height,
        width=spec.width,
        tier=spec.tier,
        max_age_ms=spec.max_age_ms,
        frames_per_second=PATIENT_FRAMES_PER_SECOND if is_patient(spec) else spec.fps,
        slices=spec.slices,
    )
