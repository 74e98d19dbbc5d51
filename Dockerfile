# syntax=docker/dockerfile:1
# The hub with helm inside, for charts/hub. `make image` builds it; it needs docker and network.

FROM golang:1.26-bookworm AS tools
ENV CGO_ENABLED=0
# The version of helm that the tests use, and kustomize for spec.postRenderers; go.sum pins every module.
WORKDIR /src/helm
COPY tools/helm/go.mod tools/helm/go.sum ./
RUN go build -trimpath -ldflags="-s -w" -o /out/helm helm.sh/helm/v4/cmd/helm
WORKDIR /src/kustomize
COPY tools/kustomize/go.mod tools/kustomize/go.sum ./
RUN go build -trimpath -ldflags="-s -w" -o /out/kustomize sigs.k8s.io/kustomize/kustomize/v5

FROM python:3.13-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY hub hub
COPY crds crds
COPY charts charts
COPY tools tools
RUN python -m venv /opt/hub && /opt/hub/bin/pip install --no-cache-dir -c constraints.txt '.[tracing]'

FROM python:3.13-slim-bookworm
# git fetches sources; util-linux (setpriv) is part of the base. Debian keeps no older versions, so none can be pinned.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends git ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 65532 --user-group --no-create-home --shell /usr/sbin/nologin hub
COPY --from=tools /out/ /usr/local/bin/
COPY --from=build /opt/hub /opt/hub
ENV PATH=/opt/hub/bin:/usr/local/bin:/usr/bin:/bin PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
EXPOSE 9790
ENTRYPOINT ["hub"]
