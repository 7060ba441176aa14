"""`POST /yolo/detect`: an image in, what is on it out, and what that cost.

JSON with `image_url`, or multipart with the file `image`; `slices` cuts it into tiles, so that
small objects are seen. An `Idempotency-Key` makes it safe to send the same request again: it is
answered again and paid for once.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Header, Request
from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response

from billing.keys import Caller
from gateway.auth import Authenticator
from gateway.bodies import JSON_BYTES_MAX, bounded, read_json
from gateway.idempotency import Flights, Ticket, check_key
from gateway.inference import Inference, Job, Outcome
from gateway.openapi import answers, body
from gateway.problems import raised
from gateway.sizes import SIZE_DEFAULT, parse_size
from gateway.virtual_streams import LineKey
from wire import slicing
from wire.balances import format_tokens
from wire.detections import DetectedObject
from wire.errors import NotAllowed, Rejected
from wire.frames import Tier
from wire.names import is_name, name_rule
from wire.slicing import Slices

FORM_FIELDS_MAX = 8
FORM_FIELD_BYTES_MAX = 4096
FORM_BYTES_MAX = 64 * 1024
"""What a form may have around its image."""

FORM_SCHEMA = {
    "type": "object",
    "required": ["image"],
    "properties": {
        "image": {"type": "string", "format": "binary"},
        "model": {"type": "string"},
        "img_size": {"type": "string", "default": str(SIZE_DEFAULT)},
        "tier": {"type": "string", "enum": list(Tier), "default": Tier.STANDARD.value},
        "slices": {"type": "string", "description": "ROWSxCOLUMNSxOVERLAP, such as 2x3x0.2"},
    },
}
TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class DetectRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The JSON body. `img_size` is a square's side or `HEIGHTxWIDTH`.

    With `slices` ([rows, columns, overlap]) the image is cut into tiles of that size, for objects
    that are too small otherwise; it costs as much as all of them.
    """

    image_url: str
    model: str | None = None
    img_size: int | str = SIZE_DEFAULT
    tier: Tier = Tier.STANDARD
    slices: Slices | None = None


class DetectUsage(msgspec.Struct, frozen=True, kw_only=True):
    """What it cost and what is left, in tokens with three decimals."""

    tokens: str
    remaining_tokens: str
    cached: bool


class DetectAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer. Boxes are [x1, y1, x2, y2] in pixels of the image that was sent.

    So are masks, keypoints and corners. `task` is the model's own and says which of them are told.
    """

    predictions: tuple[DetectedObject, ...]
    usage: DetectUsage
    model: str
    model_version: str
    task: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectLimits:
    """Bounds of one request. `model_default` is for requests that name none; "" refuses them."""

    image_bytes_max: int
    timeout_s: float
    model_default: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    model: str | None
    img_size: int | str
    tier: str
    slices: Slices | None = None
    image: bytes | None = None
    image_url: str | None = None


def router(
    inference: Inference, flights: Flights, auth: Authenticator, limits: DetectLimits
) -> APIRouter:
    """Return the route."""
    routes = APIRouter(tags=["detect"])

    @routes.post(
        "/yolo/detect",
        responses=answers(DetectAnswer),
        openapi_extra=body(DetectRequest, {"multipart/form-data": FORM_SCHEMA}),
    )
    async def detect(
        request: Request,
        caller: Annotated[Caller, Depends(auth.requires("detect"))],
        idempotency_key: Annotated[str | None, Header()] = None,
    ) -> Response:
        """Detect objects in one image."""
        if caller.account is None:
            raise NotAllowed("use a key of the account that is to pay")
        flights.check_room()
        job = job_of(await _read(request, limits), caller.account, request, limits)
        ticket = None if idempotency_key is None else ticket_of(job, check_key(idempotency_key))
        request_id: str = request.state.request_id

        async def work() -> bytes:
            return answer_of(await inference.detect(job), job, request_id)

        found = await flights.run(ticket, work, timeout_s=limits.timeout_s)
        return Response(found, media_type="application/json")

    return routes


def job_of(asked: _Asked, account: str, request: Request, limits: DetectLimits) -> Job:
    """Return the checked job; raise `Rejected` with what is wrong with the request."""
    model = asked.model or limits.model_default
    if not model:
        raise Rejected("model is missing: name one of GET /v1/models")
    if not is_name(model):
        raise Rejected(name_rule("model", model))
    if asked.tier not in tuple(Tier):
        raise Rejected(f"tier must be one of {', '.join(Tier)}")
    height, width = parse_size(asked.img_size)
    if asked.slices is not None:
        slicing.check(asked.slices, height, width)
    traceparent = request.headers.get("traceparent", "")
    return Job(
        line=LineKey(
            account=account,
            model=model,
            height=height,
            width=width,
            tier=Tier(asked.tier),
            slices=asked.slices,
        ),
        image=asked.image,
        image_url=asked.image_url,
        traceparent=traceparent if TRACEPARENT.fullmatch(traceparent) else None,
    )


def ticket_of(job: Job, key: str) -> Ticket:
    """Return which request this is, so that it is known when it comes again."""
    line = job.line
    content = job.image if job.image is not None else (job.image_url or "").encode()
    terms = f"{line.model}/{line.height}x{line.width}/{line.tier}/{job.image is None}/"
    if line.slices is not None:
        terms += f"{line.slices}/"
    digest = hashlib.sha256(terms.encode() + content).hexdigest()
    return Ticket(account=line.account, key=key, fingerprint=digest)


def answer_of(outcome: Outcome, job: Job, request_id: str) -> bytes:
    """Return the answer's JSON."""
    return msgspec.json.encode(
        DetectAnswer(
            predictions=outcome.objects,
            usage=DetectUsage(
                tokens=format_tokens(outcome.millitokens),
                remaining_tokens=format_tokens(outcome.remaining_millitokens),
                cached=outcome.cached,
            ),
            model=job.line.model,
            model_version=outcome.model_version,
            task=outcome.task,
            request_id=request_id,
        )
    )


async def _read(request: Request, limits: DetectLimits) -> _Asked:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        told = await read_json(request, DetectRequest, bytes_max=JSON_BYTES_MAX)
        return _Asked(
            model=told.model,
            img_size=told.img_size,
            tier=told.tier,
            slices=told.slices,
            image_url=told.image_url,
        )
    if kind == "multipart/form-data":
        return await _read_form(bounded(request, limits.image_bytes_max + FORM_BYTES_MAX), limits)
    raise raised(
        "unsupported-media-type",
        415,
        "send application/json with image_url, or multipart/form-data with the file image",
    )


async def _read_form(request: Request, limits: DetectLimits) -> _Asked:
    async with request.form(
        max_files=1, max_fields=FORM_FIELDS_MAX, max_part_size=FORM_FIELD_BYTES_MAX
    ) as form:
        image = form.get("image")
        if not isinstance(image, UploadFile):
            raise Rejected("the form has no file named image")
        content = await image.read(limits.image_bytes_max + 1)
        if len(content) > limits.image_bytes_max:
            raise raised(
                "too-large", 413, f"the image is larger than {limits.image_bytes_max} bytes"
            )
        slices = _text(form, "slices")
        return _Asked(
            model=_text(form, "model"),
            img_size=_text(form, "img_size") or SIZE_DEFAULT,
            tier=_text(form, "tier") or Tier.STANDARD.value,
            slices=slicing.parse(slices) if slices else None,
            image=content,
        )


def _text(form: FormData, name: str) -> str | None:
    value = form.get(name)
    if value is not None and not isinstance(value, str):
        raise Rejected(f"the form's {name} must be text, not a file")
    return value
