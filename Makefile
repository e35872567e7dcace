# Galen: everything a person or CI does here is one of these targets. What is missing on the machine is installed first
# by build/setup (see there); every go command below is the toolchain that go.work pins, linked as .cache/go.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

export PATH := $(CURDIR)/.cache/jdk/bin:$(CURDIR)/.cache/go/bin:$(PATH)
export GOTOOLCHAIN := local
# The same flags for every command: with other ones Go compiles the Temporal server once more (4 to 9 minutes).
export CGO_ENABLED := 0
export GOFLAGS := -trimpath -buildvcs=false $(GOFLAGS)

# The three modules that go.work joins; tools/ is a fourth, outside the workspace, which pins what only a developer runs.
MODULES := . cmd/galen test
TOOLS   := .cache/bin
# The commit goes into the binary where git answers (it refuses a checkout of another owner).
STAMP   := $(shell git rev-parse -q --verify HEAD >/dev/null 2>&1 && echo true || echo false)
# A real ring starts slowly on a busy machine: test/ gets the longest limit, one package at a time.
TIMEOUT      ?= 10m
RING_TIMEOUT ?= 20m
FUZZTIME     ?= 30s
FUZZ         ?= Fuzz
STARTS       ?= 10000
POINTS       ?= all
BENCHTIME    ?= 1s
# make demo KEEP=1 leaves everything running.
export KEEP

comma := ,
# step TEXT: says where we are. No comma in the text: make would cut it there.
step = printf '\n== %s  %s\n' "$$(date +%H:%M:%S)" "$(1)"

.PHONY: help demo test lint build bench bench-go race storm figures gym gym-temporal crash-matrix crash-real record record-ring record-placement quorum contract mutation fuzz tidy env generate lint-generated \
	setup-go setup-test setup-demo setup-bench test-laws test-vet test-root test-alone test-engine test-ring

help: ## what each target does (this text)
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: setup-demo build ## watch Galen heal a real three-node Cassandra ring; KEEP=1 leaves it running
	@$(call step,building the demo)
	@go build -o bin/galen-demo ./test/demo
	@exec bin/galen-demo

test: setup-test test-laws test-vet test-root test-alone test-engine test-ring ## every test: laws, all three modules, races, real rings
	@$(call step,every test passed)

lint: setup-go lint-generated $(TOOLS)/golangci-lint ## golangci-lint over all three modules, formatting, generated code
	@for module in $(MODULES); do \
		$(call step,lint: $$module); \
		(cd $$module && $(CURDIR)/$(TOOLS)/golangci-lint run --config $(CURDIR)/.golangci.yml ./...) || exit 1; \
	done

build: setup-go ## bin/galen, the whole engine in one file; share/ has its man pages and completions
	@$(call step,building bin/galen (the first time compiles the Temporal server: 4 to 9 minutes on 2 cores))
	@go build -buildvcs=$(STAMP) -o bin/galen ./cmd/galen
	@bin/galen man share/man/man1
	@mkdir -p share/completions && for shell in bash zsh fish; do bin/galen completion $$shell > share/completions/galen.$$shell; done

bench: setup-bench ## what an engine takes and how fast it reacts; beside an empty handler and peers; writes docs/benchmarks.md; about 3 minutes
	@$(call step,bench: accept and reaction)
	@mkdir -p bin && go build -tags failpoint -o bin/galen-figures ./test/figures
	@exec bin/galen-figures -bench -slack $(SLACK)

bench-go: setup-go ## every benchmark of Go; BENCHTIME=1s each
	@$(call each_func,Benchmark) | cut -d ' ' -f 1 | uniq | while read -r dir; do \
		$(call step,bench: $$dir); \
		(cd $$dir && go test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) .) || exit 1; \
	done

race: setup-test ## two gates race over one journal in PostgreSQL; STARTS=10000 in all
	@$(call step,race: two gates over one PostgreSQL)
	@cd test && go test -count=1 -v -timeout 1h ./race -args -starts=$(STARTS)

storm: ## storms of alerts in full size: 10000 posts and 100 kills; about 10 minutes on 2 cores
	@build/setup go postgres
	@$(call step,storm: 10000 posts and 100 kills)
	@cd test && go test -count=1 -v -timeout 60m ./storm -args -full

# SLACK=10 allows ten times each goal, for a busy machine.
SLACK ?= 1
figures: setup-go ## times and sizes that the engine promises, measured with real processes; about 4 minutes
	@$(call step,figures: reaction and ready and resume and idle and quorum and size)
	@mkdir -p bin && go build -tags failpoint -o bin/galen-figures ./test/figures
	@exec bin/galen-figures -slack $(SLACK)

# N incidents from seed SEED on; a failing seed prints the command that plays it again.
N    ?= 30000
SEED ?= 1
gym: build ## N=30000 seeded incidents in virtual time from seed SEED=1 on, 7 to 8 minutes: runbooks, gate and journal against a hostile world
	@$(call step,gym: $(N) incidents from seed $(SEED))
	@GOGC=1600 bin/galen gym --n $(N) --seed $(SEED) # much garbage and little that lives: up to 1 GiB of it

# make test plays a sample of them.
gym-temporal: setup-go ## N=1000 incidents of the gym with the real workflow code, in Temporal's test environment
	@$(call step,gym on Temporal: $(N) incidents from seed $(SEED))
	@cd test && go test -count=1 -v -timeout 60m -run TestGymOnTemporal ./temporal -args -incidents $(N) -first-seed $(SEED)
gym-temporal: N = 1000

# make test kills the engine at a sample of these points. POINTS=2/5 is the second of five slices.
crash-matrix: setup-go ## kill the engine at each await of each runbook, over the simulated ring; about 15 minutes
	@$(call step,crash matrix: points $(POINTS))
	@cd test && go test -tags failpoint -count=1 -v -timeout 60m -run TestDiesAtEachPoint ./crash/process -points $(POINTS)

crash-real: setup-demo ## kill the engine at a dozen moments, over real Cassandra nodes; about 10 minutes
	@$(call step,building an engine that can be told where to die)
	@go build -tags failpoint -o bin/galen-failpoint ./cmd/galen
	@cd test && GALEN=$(CURDIR)/bin/galen-failpoint go test -tags failpoint$(comma)crashreal -count=1 -v -timeout 30m -run TestDiesOnRealNodes ./real

# Records the histories that workflows/replay_test.go replays anew; only after a change that open runs survive.
record: setup-go
	@$(call step,workflows/testdata from real runs)
	@find workflows/testdata -name '*.json' ! -name 'older-*' -delete
	@cd test && go test -tags failpoint -count=1 -run 'Elsewhere|Terminated' ./crash/process -record

# make test does it with few examples. SEED=1 gives the same calls again.
EXAMPLES ?= 500
contract: setup-test ## Schemathesis against a running engine and its OpenAPI file; EXAMPLES=500 for each call, 10 to 20 minutes
	@$(call step,contract: $(EXAMPLES) examples for each call)
	@cd test && go test -count=1 -v -timeout 1h ./contract -args -examples=$(EXAMPLES) -seed=$(SEED)

quorum: setup-go ## quorum mathematics held against its naive form on 100,000 random rings; about 4 minutes
	@$(call step,quorum mathematics: 100000 random rings)
	@go test -count=1 -tags exhaustive -timeout 60m -run 'Naive' ./activities/cassandra

# A folder of a package, or files in one; FLAGS='-sample 100 -seed 7' for a part, -o json for programs. See test/mutation.
PKG ?= internal/gate activities/cassandra/quorum*.go
mutation: setup-go ## change one thing at a time in gate and quorum: 90 % of the changes must fail a test
	@$(call step,mutation test: $(PKG))
	@cd test && go build -o $(CURDIR)/bin/mutation ./mutation
	@set -f; failed=0; for of in $(PKG); do bin/mutation $(FLAGS) "$$of" || failed=1; done; exit $$failed

# Records what Cassandra's own classes say of random rings, which activities/cassandra holds its mathematics against.
record-placement: setup-test
	@$(call step,activities/cassandra/testdata from the classes of Cassandra)
	@mkdir -p bin && go build -o bin/placement ./test/record/placement
	@bin/placement

# Records what activities/cassandra/ring replays (TestReality): transitions of a real ring. About ten minutes.
record-ring: setup-test
	@$(call step,activities/cassandra/ring/testdata from a real ring)
	@mkdir -p bin && go build -o bin/galen-record ./test/record
	@exec bin/galen-record

fuzz: setup-go ## every fuzz target in turn, or those that begin with FUZZ=FuzzAlertmanager; FUZZTIME=30s each, or so many times as in 10000000x
	@$(call each_func,Fuzz) | grep ' $(FUZZ)' | while read -r dir name; do \
		$(call step,fuzz: $$dir $$name for $(FUZZTIME)); \
		(cd $$dir && go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) .) || exit 1; \
	done

tidy: setup-go ## go mod tidy in every module, without leaving a replace behind
	@for module in . tools; do $(call step,tidy: $$module); (cd $$module && GOWORK=off go mod tidy) || exit 1; done
	@for module in cmd/galen test; do $(call step,tidy: $$module); build/tidy $$module || exit 1; done

# What is generated from api/openapi.yaml; make lint fails when it is not what is committed.
generate: $(TOOLS)/oapi-codegen
	@$(call step,api/api.gen.go from api/openapi.yaml)
	@cd api && ../$(TOOLS)/oapi-codegen -config generate.yaml openapi.yaml

lint-generated: $(TOOLS)/oapi-codegen
	@$(call step,lint: generated code is up to date)
	@mkdir -p .cache/api && cp api/generate.yaml api/openapi.yaml .cache/api
	@cd .cache/api && ../bin/oapi-codegen -config generate.yaml openapi.yaml
	@cmp .cache/api/api.gen.go api/api.gen.go || { echo 'api/api.gen.go is not what api/openapi.yaml says: run make generate' >&2; exit 1; }

# For a shell that calls go itself: eval "$(make -s env)".
env:
	@build/setup go >&2
	@echo 'export PATH="$(CURDIR)/.cache/jdk/bin:$(CURDIR)/.cache/go/bin:$$PATH" GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS="-trimpath -buildvcs=false"'

# each_func PREFIX: "folder name" of every test function with that prefix.
each_func = { grep -rHoE --include='*_test.go' --exclude-dir=.cache '^func $(1)[A-Z][A-Za-z0-9_]*' . || true; } \
	| sed -E 's|/[^/]*:func | |' | sort -u

.NOTPARALLEL:
test-laws test-vet test-root test-alone test-engine test-ring: setup-test

setup-go:
	@build/setup go
setup-test:
	@build/setup go race ring postgres prometheus jmx schemathesis curl
setup-demo:
	@build/setup go ring
setup-bench:
	@build/setup go ring prometheus rulebook

test-laws: $(TOOLS)/workflowcheck
	@$(call step,laws: imports and shape (internal/arch))
	@go test ./internal/arch
	@$(call step,laws: workflow code is deterministic (workflowcheck))
	@$(TOOLS)/workflowcheck ./workflows/...

test-vet:
	@for module in $(MODULES); do $(call step,vet: $$module); (cd $$module && go vet ./...) || exit 1; done
	@$(call step,vet: what only builds with failpoints have)
	@go vet -tags failpoint ./internal/failpoint && cd test && go vet -tags failpoint$(comma)crashreal ./crash/... ./real

test-root:
	@$(call step,root module in the workspace)
	@go test -timeout $(TIMEOUT) ./...
	@go test -tags failpoint ./internal/failpoint

# The root module as a runbook author gets it, without the workspace, and with the race detector (the only use of cgo).
test-alone:
	@$(call step,root module alone (GOWORK=off) with the race detector)
	@GOWORK=off CGO_ENABLED=1 go test -race -timeout $(TIMEOUT) ./...

test-engine:
	@$(call step,engine: cmd/galen (the first time compiles the Temporal server: 4 to 9 minutes on 2 cores))
	@cd cmd/galen && go test -timeout $(TIMEOUT) ./...

test-ring: build
	@$(call step,test: crashes and faults and real rings; one package at a time)
	@cd test && go test -tags failpoint -p 1 -timeout $(RING_TIMEOUT) ./...

# Tools: built from tools/go.mod, again when it changes.
$(TOOLS)/golangci-lint: package := github.com/golangci/golangci-lint/v2/cmd/golangci-lint
$(TOOLS)/oapi-codegen: package := github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen
$(TOOLS)/workflowcheck: package := go.temporal.io/sdk/contrib/tools/workflowcheck

$(TOOLS)/golangci-lint $(TOOLS)/oapi-codegen $(TOOLS)/workflowcheck: tools/go.mod | setup-go
	@$(call step,building $(@F) (once; golangci-lint takes about 2 minutes on 2 cores))
	@mkdir -p $(TOOLS) && cd tools && GOWORK=off go build -o $(CURDIR)/$(TOOLS)/ $(package)
