# The detector: `wire`, `consumers` and an inference engine. ENGINE names extras of pyproject.toml:
#     cpu       OpenVINO, no torch (default)
#     gpu       torch with CUDA, and Ultralytics
#     cpu,gpu   both: converts a .pt for the first one (docs/containers.md)
# onnx (ONNX Runtime) and int8 (NNCF) may be added to each.

FROM python:3.11-slim AS build
WORKDIR /src
ENV PIP_CACHE_DIR=/var/cache/pip PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv --without-pip /opt/venv

# The dependencies alone: this layer is built again only when they change.
COPY pyproject.toml requirements.lock docker/requirements.py ./
ARG ENGINE=cpu
RUN --mount=type=cache,target=/var/cache/pip \
    python requirements.py --extras "$ENGINE" aiokafka httpx msgspec numpy \
       opencv-python-headless prometheus-client pydantic-settings redis simplejpeg structlog \
       > wanted.txt \
    && pip --python /opt/venv/bin/python install --quiet \
       --only-binary :all: --constraint requirements.lock --requirement wanted.txt
# The import of OpenVINO would report its use to its maker; without this package it does not.
RUN pip --python /opt/venv/bin/python uninstall --yes --quiet openvino-telemetry

COPY wire /app/wire
COPY consumers /app/consumers
RUN python -m compileall -q /app

FROM python:3.11-slim
# /home/framemeter/cache: converted weights; a volume mounted on it is the user's.
RUN useradd --uid 10001 --user-group --no-log-init --create-home framemeter \
    && install --directory --owner framemeter --group framemeter /home/framemeter/cache
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 FRAMEMETER_LOG_FORMAT=json \
    YOLO_CONFIG_DIR=/tmp MPLCONFIGDIR=/tmp YOLO_AUTOINSTALL=false
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
WORKDIR /app
USER 10001:10001
CMD ["python", "-m", "consumers.detector"]
