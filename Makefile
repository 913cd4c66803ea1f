# `make demo` and `make test` set themselves up; nothing but make, git and Python 3.11+ is needed.
BIN := .venv/bin
LINK := build/typing/ikelab

.PHONY: help demo test test-long lint format bench coverage-table lock clean venv

help:
	@echo 'make demo    run the suite against the built-in peer and a strongSwan, print the page'
	@echo 'make test    the tests of the project itself, and make lint'
	@echo 'make test-long  the tests that take longest, which CI runs too'
	@echo 'make lint    ruff, mypy and the import contracts'
	@echo 'make bench   start-up, the layers against scapy.contrib.ikev2, handshakes, a lab with daemons'
	@echo 'make coverage-table  docs/coverage.md anew: vectors, then a run of each of PEERS'
	@echo 'make format  let ruff format the code'
	@echo 'make lock    resolve the dependencies of pyproject.toml anew'
	@echo 'make clean   remove what these commands made, but not runs/'

demo:
	@sh .ci/venv
	@$(BIN)/python -m ikelab.harness.demo

test: venv
	$(BIN)/pytest -n 2 -q
	@$(MAKE) --no-print-directory lint

# Some seconds each: what CI and a release need, and a change to a line of code does not.
test-long: venv
	$(BIN)/pytest -n 2 -q -m long

lint: venv $(LINK)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# mypy does not follow the finder of an editable install: show it the checkout as `ikelab`.
$(LINK):
	@mkdir -p $(@D)
	@ln -sfn ../.. $@

format: venv
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Each says by its exit status whether its targets were met; all are run, whatever the first says.
BENCHES = startup layers handshake inspect lab fuzz

bench: venv
	@missed=; for name in $(BENCHES); do \
		$(BIN)/python tests/bench/bench_$$name.py || missed="$$missed $$name"; \
	done; [ -z "$$missed" ] || { echo "below a target:$$missed"; exit 1; }

PEERS = reference strongswan@bookworm strongswan@trixie strongswan@sid libreswan@trixie
COVER = build/coverage

coverage-table: venv
	rm -rf $(COVER)
	IKELAB_REQUIRE_ALL=1 $(BIN)/pytest -q tests/harness/crypto tests/harness/esp --vectors $(COVER)/vectors.json
	for peer in $(PEERS); do \
		$(BIN)/ikelab run -q -j 4 --peer $$peer --combine 1 --out $(COVER)/$$peer || [ $$? -eq 1 ] || exit; \
	done # 1 is an unexpected verdict: only what passed is counted
	$(BIN)/ikelab coverage $(PEERS:%=$(COVER)/%) --vectors $(COVER)/vectors.json --out docs/coverage.md

COMPILE = build/lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links \
	--custom-compile-command 'make lock' pyproject.toml --extra build

lock: venv
	@$(BIN)/python -m venv build/lock && build/lock/bin/python -m pip install -q uv
	$(COMPILE) -o requirements.lock
	$(COMPILE) --extra dev -c requirements.lock -o requirements-dev.lock

clean:
	rm -rf .venv build dist ikelab.egg-info .cache .pytest_cache .mypy_cache .ruff_cache \
		.import_linter_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

venv:
	@sh .ci/venv dev
