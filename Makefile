# Thin front of CMake: see CMakeLists.txt and CMakePresets.json for the real build.
BUILD := build
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local

.PHONY: all configure demo python check test soak fuzz bench install format clean

all: configure
	@cmake --build $(BUILD) -j $(JOBS)

configure:
	@scripts/bootstrap build
	@[ -f $(BUILD)/build.ninja ] || cmake --preset release

demo: all
	@examples/demo.sh $(BUILD)/ragstore

# the Python package: a wheel and an sdist in build/python/
python:
	@scripts/bootstrap python
	@scripts/make-wheel

# the usual round before a commit: unit, conformance, headers, style, fuzz corpora, clang-tidy; 4 minutes at most
check:
	@scripts/bootstrap test
	@scripts/run-tests check

# everything: also crashes, the command, processes, LightRAG itself, sanitizers, a short round of fuzzing
test:
	@scripts/bootstrap test
	@scripts/bootstrap python
	@scripts/run-tests all

# crashes at length: power cuts, failing calls, kills, the storm; for hours; what it prints goes into docs/testing.md
soak: all
	@scripts/bootstrap test
	@scripts/soak

# each fuzz target for FUZZ_SECONDS
fuzz: export FUZZ_SECONDS ?= 300
fuzz:
	@scripts/bootstrap test
	@scripts/run-tests fuzz

# what it costs, beside its peers; options: bench/run --help
bench: all
	@bench/run

install: all
	@cmake --install $(BUILD) --prefix $(PREFIX)

format:
	@scripts/bootstrap test
	@scripts/format

clean:
	@rm -rf $(BUILD)
