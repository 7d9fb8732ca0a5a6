# gate-node in an image of its own. `docker run -v gate:/data -p 3402:3000 gate-node` needs nothing else: without a Redis URL the
# node runs its own Redis under /data. See docker-compose.yml for a cluster.

ARG SWIFT_VERSION=6.3

FROM swift:${SWIFT_VERSION}-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends libhiredis-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# Dependencies change less often than sources: their layer is kept while Package.swift stays as it is.
COPY Package.swift ./
RUN swift package resolve
COPY Sources Sources
COPY Lua Lua
COPY Tests Tests
COPY scripts/build scripts/build
# Without its symbols (install -s) the program has a third of its size.
RUN scripts/build && install -s -D .build/release/gate-node /out/gate-node

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends libhiredis0.14 redis-server ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin gate-node \
    && install -d -o gate-node -g gate-node -m 0750 /data
COPY --from=build /out/gate-node /usr/local/bin/gate-node

USER gate-node
WORKDIR /data
VOLUME /data
ENV PAYGATE_PORT=3000 \
    PAYGATE_STATE_DIR=/data/state
EXPOSE 3000

# Alive is not ready: a node that drains or waits for its store must not be restarted for it. Balancers ask /ready.
HEALTHCHECK --interval=5s --timeout=2s --start-period=20s --retries=3 CMD ["curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:3000/livez"]
# Longer than a node gives its calls in flight (--drain-seconds): docker stop --time 45.
STOPSIGNAL SIGTERM
ENTRYPOINT ["gate-node"]
CMD ["wrap", "--server", "gate-node demo-server"]
