# syntax=docker/dockerfile:1
# The digest of the base image is an argument, so that a build is repeatable and an update is one line.
ARG BASE=python:3.13-slim-bookworm
FROM ${BASE} AS build
WORKDIR /src
COPY requirements.lock pyproject.toml README.md ./
RUN python -m venv /opt/fleetgate \
 && /opt/fleetgate/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements.lock
COPY gateway gateway
COPY cache cache
COPY admission admission
COPY certs certs
RUN /opt/fleetgate/bin/pip install --no-cache-dir setuptools \
 && /opt/fleetgate/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
 && /opt/fleetgate/bin/pip uninstall --yes setuptools pip

FROM ${BASE}
RUN useradd --uid 65532 --no-create-home fleetgate && install -d -o 65532 -g 65532 -m 0700 /var/lib/fleetgate
COPY --from=build /opt/fleetgate /opt/fleetgate
# Only the installed packages are imported, never what lies in the working folder.
ENV PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1 MALLOC_ARENA_MAX=2
USER 65532
VOLUME /var/lib/fleetgate
EXPOSE 6443
ENTRYPOINT ["/opt/fleetgate/bin/fleetgate"]
CMD ["serve", "--data-dir", "/var/lib/fleetgate", "--listen", "0.0.0.0:6443"]
