.DEFAULT_GOAL := help
.PHONY: help build dist test race lint bench fuzz e2e compose cover ci

help: ## what there is
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## bin/phub
	go build -o bin/phub ./cmd/phub

dist: ## dist/phub: a static binary, for the image's target "prebuilt"
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o dist/phub ./cmd/phub

test: ## all tests but the end-to-end ones
	go test ./...

race: ## the same with the race detector
	go test -race ./...

lint: ## golangci-lint, in the version that CI uses
	.ci/run format vet lint

bench: ## benchmarks, with figures worth reading
	go test -run '^$$' -bench . ./...

fuzz: ## a few seconds for each fuzz target
	.ci/run fuzz

e2e: ## real processes and real faults
	.ci/run e2e

compose: ## the stack of docker-compose.yml, driven from outside
	.ci/run compose

cover: ## coverage by package
	go test -coverpkg=./... -coverprofile=bin/cover.out ./... && go tool cover -func=bin/cover.out | tail -1

ci: ## everything that CI runs
	.ci/run
