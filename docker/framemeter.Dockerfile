# Producer, biller, gateway and the `framemeter` command: everything but inference, so no torch and
# no OpenVINO. The process is chosen by the command, such as `python -m gateway`.

FROM python:3.11-slim AS build
WORKDIR /src
ENV PIP_CACHE_DIR=/var/cache/pip PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv --without-pip /opt/venv

# The dependencies alone: this layer is built again only when they change.
COPY pyproject.toml requirements.lock docker/requirements.py ./
RUN --mount=type=cache,target=/var/cache/pip \
    python requirements.py --extras archive > wanted.txt \
    && pip --python /opt/venv/bin/python install --quiet \
       --only-binary :all: --constraint requirements.lock --requirement wanted.txt

COPY README.md LICENSE ./
COPY wire wire
COPY pipeline pipeline
COPY consumers consumers
COPY billing billing
COPY gateway gateway
COPY cli cli
COPY samples samples
RUN --mount=type=cache,target=/var/cache/pip \
    pip wheel --quiet --no-deps --wheel-dir /wheel . \
    && pip --python /opt/venv/bin/python install --quiet --no-deps \
       /wheel/framemeter-*.whl

FROM python:3.11-slim
# /run/secrets: settings are read from files there too; a volume mounted on it is the user's.
RUN useradd --uid 10001 --user-group --no-log-init --create-home framemeter \
    && install --directory --owner framemeter --group framemeter --mode 0700 /run/secrets
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 FRAMEMETER_LOG_FORMAT=json
COPY --from=build /opt/venv /opt/venv
COPY --chmod=0755 docker/setup.sh /usr/local/bin/framemeter-setup
WORKDIR /home/framemeter
USER 10001:10001
CMD ["framemeter", "--help"]
