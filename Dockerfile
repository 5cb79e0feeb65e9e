# Three images, each one static program and nothing else:
#
#   docker build --target sidecar -t agent-comms .
#   docker build --target injector -t agent-comms-injector .
#   docker build --target ingest -t agent-comms-ingest .
#
# Programs that were built before take the place of the first stage, with `--build-context programs=DIR`: DIR holds the three by
# their names. `cargo xtask images` does that with buildah.

FROM docker.io/library/rust:1-alpine AS programs
# For the assembler and C of the cryptography.
RUN apk add --no-cache build-base
WORKDIR /source
COPY . .
# Alpine's own target makes static programs. The sidecar has a profile of its own: it is small in memory.
RUN cargo build --locked --profile sidecar --package sidecar --bins \
  && cargo build --locked --release --package injector --package ingest --bins \
  && install -m 0555 target/sidecar/agent-comms target/release/agent-comms-injector target/release/agent-comms-ingest /

FROM scratch AS sidecar
COPY --from=programs /agent-comms /usr/local/bin/agent-comms
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/agent-comms"]
CMD ["run"]

FROM scratch AS injector
COPY --from=programs /agent-comms-injector /usr/local/bin/agent-comms-injector
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/agent-comms-injector"]
CMD ["serve"]

FROM scratch AS ingest
COPY --from=programs /agent-comms-ingest /usr/local/bin/agent-comms-ingest
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/agent-comms-ingest"]
CMD ["serve"]
