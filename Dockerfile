# Over the root file system that `cargo xtask image` lays out: the binary, which needs no libraries, and
# Debian's certification authorities.
FROM scratch
COPY --chown=0:0 usr /usr
COPY --chown=0:0 etc /etc
# As the chart's Deployment runs it.
USER 65532:65532
ENTRYPOINT ["/usr/bin/freehold"]
