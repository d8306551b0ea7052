# What a newcomer needs is `make demo` and `make test`; `make help` lists the rest.
# Everything is built in release, so that demo, tests and lints share one set of compiled dependencies.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

cache := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/salus
export CARGO_TARGET_DIR ?= $(cache)/target
export PATH := $(cache)/tools/bin:$(PATH)
binaries := $(CARGO_TARGET_DIR)/release

# From make's command line or from the environment. `unexport`, because the shell keeps a counter of its own under the
# first name and exports it once it was given one.
SECONDS ?= 30
INPUT ?=
STORY ?=
SOAK_SECONDS ?= 60
EPOCH_BLOCKS ?=
ONLY ?=
SEEDS ?= 1000
unexport SECONDS

.PHONY: help setup build demo test sim figures experiments mutants bare lint fmt doc deny cargo-deny bench soak

help: ## Lists the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: ## Installs what the build and the tests need and is missing (Debian packages)
	@./.ci/setup "$(cache)/tools"

build: setup ## Builds both binaries
	cargo build --release --locked -p salus-node -p salus-edge

demo: build ## Four validators and a bedside device: make demo [SECONDS=30] [INPUT=file.csv] [EPOCH_BLOCKS=n] [STORY=delegation|access]
	@"$(binaries)/salus" localnet $(if $(STORY),--story "$(STORY)",--validators 4 --seconds "$(SECONDS)") \
	  $(if $(INPUT),--input "$(INPUT)") $(if $(EPOCH_BLOCKS),--epoch-blocks "$(EPOCH_BLOCKS)")

test: build ## Every test, those with real processes too
	cargo test --release --locked --workspace

mutants: setup ## Sabotages the code in many ways and sees the simulator notice: make mutants [ONLY=name]
	@./tests/mutants/run $(ONLY)

sim: setup ## Simulated clusters with faults and Byzantine members: make sim [SEEDS=1000]
	cargo build --release --locked -p salus-tests --bin salus-sim
	@"$(binaries)/salus-sim" --seeds "0..$(SEEDS)"

figures: build ## Draws the figures of docs/block-configuration.md that need no simulation
	rm -f $(foreach name,utility convergence,docs/figures/$(name).csv docs/figures/$(name).svg)
	@"$(binaries)/salus" blockcfg plot --out docs/figures

experiments: figures ## What adaptation is worth, in the simulator: the rest of docs/figures (minutes; same bytes every time)
	cargo build --release --locked -p salus-tests --bin salus-experiments
	@"$(binaries)/salus-experiments" --out docs/figures

soak: build ## Kills a validator every second under load: make soak [SOAK_SECONDS=60]
	SALUS_SOAK_SECONDS="$(SOAK_SECONDS)" cargo test --release --locked -p salus-tests --test e2e -- faults::processes --nocapture

lint: setup ## Format and clippy, warnings denied
	cargo fmt --all --check
	cargo clippy --release --locked --workspace --all-targets -- -D warnings

bare: setup ## Shows that what verifies needs no std: primitives/bare, and every bare target that rustup has installed
	cargo clippy --release --locked -p salus-primitives --no-default-features -- -D warnings
	cargo rustc --release --locked -p salus-bare --features prove --crate-type staticlib -- -C panic=abort
	@for target in $$(rustup target list --installed 2>/dev/null | grep -- -none || true); do \
	  cargo check --release --locked -p salus-bare --target "$$target" || exit 1; \
	done

fmt: ## Formats the code
	cargo fmt --all

doc: setup ## Builds the documentation, warnings denied
	RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --workspace --no-deps

deny: cargo-deny ## Checks bans, licences and sources of all dependencies, and advisories where they can be fetched
	cargo deny --locked check bans licenses sources
	@if timeout 120 cargo deny --locked fetch db >/dev/null 2>&1; then \
	  cargo deny --locked check --disable-fetch advisories; \
	else \
	  echo "deny: SKIPPED advisories, because the advisory database cannot be fetched from here"; \
	fi

cargo-deny: setup
	@cargo deny --version 2>/dev/null | grep -q '^cargo-deny 0\.20\.2$$' \
	  || env -u CARGO_TARGET_DIR cargo install --locked --version 0.20.2 cargo-deny

bench: setup ## Runs the benchmarks
	cargo bench --locked --workspace
