# The proxy with Node, for servers that are npm packages:
#   docker build -t mcp-proxy .
# The proxy with Node and uv, for servers that are Python packages too:
#   docker build -t mcp-proxy:uv --target uv .
#
# .ci/smoke runs the npm steps of this file unchanged, without Docker.

FROM node:20-slim AS tarball
WORKDIR /src
COPY . .
RUN npm ci --ignore-scripts
RUN mkdir /tarball && npm pack --pack-destination /tarball

FROM node:20-slim AS base
# tini is an init: it forwards signals, and reaps the processes that servers leave behind.
RUN apt-get update \
  && apt-get install --yes --no-install-recommends tini \
  && rm -rf /var/lib/apt/lists/*
COPY --from=tarball /tarball /tarball
RUN npm install --global /tarball/*.tgz
USER node
WORKDIR /home/node
ENTRYPOINT ["tini", "--", "mcp-proxy"]

FROM base AS uv
COPY --from=ghcr.io/astral-sh/uv:0.13 /uv /uvx /usr/local/bin/

FROM base
