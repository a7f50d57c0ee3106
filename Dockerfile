# The phub image: one static binary on an empty base, no shell.
#
#   docker build -t phub .                                    builds the binary in a golang image
#   make dist && docker build --target prebuilt -t phub .     packs the binary that is in dist/ (no network)

FROM scratch AS base
USER 65532:65532
ENTRYPOINT ["/phub"]
CMD ["node", "run"]

# The pattern lets this stage pass when there is no binary in dist/: builders older than BuildKit build
# every stage above the one that was asked for. It stands above the golang stage so that they need not
# pull that image for it.
FROM base AS prebuilt
COPY go.mod dist/phu[b] /

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o /out/phub ./cmd/phub

FROM base AS phub
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/phub /phub
