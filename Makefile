# Everything here works from a fresh clone with Python 3.11 or newer and make: .venv is built on the way.

VENV := .venv
BIN := $(VENV)/bin
COVERAGE := 95
# Some tests wait for others: one process more than there are cores.
PYTEST = $(BIN)/python -m pytest -n "$$($(BIN)/python -c 'import os; print(min(8, (os.cpu_count() or 1) + 1))')"

# An environment that happens to be active must not take part, and what was compiled is kept: commands
# that start often, as in the tests, take half the time.
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH PYTHONDONTWRITEBYTECODE

# The first Python that is new enough; only looked for when .venv has to be built.
PYTHON = $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

# Tests use a server of yours only where it is named on the command line: one that stands in the
# environment is for serving, and its data are not for tests.
ifeq ($(origin DATABASE_URL),command line)
TEST_DATABASE := export GATEPOST_TEST_DATABASE_URL="$$DATABASE_URL"; unset DATABASE_URL;
else
TEST_DATABASE := unset DATABASE_URL;
endif

# One walk of the state machine, over everything that the API has.
WALK := 'tests/properties/test_state_machine.py::test_whatever_happens_all_is_as_the_model_has_it[Everything]'

# Another PostgreSQL stands before our own on PYTHONPATH. What a version can make a difference to runs on the
# oldest one too: statements and their plans, functions, migrations, rules. `make test-postgres` runs all.
OLDEST := 14
NEAREST := tests/store tests/db/test_functions.py tests/db/test_migrations.py tests/db/test_rules.py \
	tests/db/test_adoption.py::test_the_guides_table_becomes_what_a_new_one_is $(WALK) \
	--deselect tests/db/test_migrations.py::test_ten_processes_leave_one_good_schema
ON_POSTGRES = unset DATABASE_URL; programs=$$($(BIN)/python -m scripts.postgresql $(1)) && PYTHONPATH=$$programs
ifeq ($(origin DATABASE_URL),command line)
TEST_OLDEST := true
else ifeq ($(shell uname -sm),Linux x86_64)
TEST_OLDEST = $(call ON_POSTGRES,$(OLDEST)) $(BIN)/python -m pytest $(NEAREST)
else
TEST_OLDEST := echo "Left out, off Linux on x86_64: the store, migrations and properties on PostgreSQL $(OLDEST)"
endif

# What knows users by their ids runs once more, on UUIDs; `make test-ids` runs more of it.
BY_ID := tests/store tests/http/api/test_refresh.py $(WALK)

.DEFAULT_GOAL := help
.PHONY: help install serve test coverage test-whole test-oldest test-uuids test-postgres test-dates test-least-rights test-ids chromium lint format audit attack fuzz bench screenshots client docs clean

help: ## Show what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

install: $(VENV)/.dev ## Build .venv from the lock file: all that serve and test need

serve: $(VENV)/.runtime ## Start the server on http://localhost:8000 (ARGS="--port 9000" is passed on)
	@$(BIN)/gatepost serve $(ARGS)

# What is checked and what runs once more does so beside the whole: each prints what it has to say when it has
# ended. Types alone would keep one core busy for half a minute, and the other one idle.
test: chromium ## Run all checks and tests (DATABASE_URL=postgresql://... runs them on that server)
	@$(MAKE) --no-print-directory -j2 --output-sync lint docs test-oldest test-uuids & parts=$$!; \
	$(MAKE) --no-print-directory test-whole; whole=$$?; wait $$parts && exit $$whole

test-whole: $(VENV)/.dev
	@$(TEST_DATABASE) $(PYTEST) $(ARGS)

# Apart from `make test`: on Python 3.11 what is watched takes up to two thirds longer.
coverage: chromium ## Run the tests and say which lines none of them reaches; below COVERAGE=95 per cent it fails
	@$(TEST_DATABASE) $(PYTEST) --cov --cov-fail-under=$(COVERAGE) $(ARGS)

test-oldest: $(VENV)/.dev
	@$(TEST_OLDEST)

test-uuids: $(VENV)/.dev
	@$(TEST_DATABASE) GATEPOST_TEST_USER_ID_TYPE=uuid $(BIN)/python -m pytest $(BY_ID)

test-postgres: chromium ## Run the tests on another PostgreSQL (VERSION=16; 14 to 18), which npm has for Linux on x86_64
	@$(call ON_POSTGRES,$(VERSION)) $(PYTEST) $(ARGS)

test-dates: chromium ## Run the tests at a leap day, a year's end and in the hour that spring leaves out (DATE=2028-02-29: there alone)
	@unset DATABASE_URL; $(BIN)/python -m scripts.dates $(if $(DATE),--only $(DATE)) -- $(PYTEST) $(ARGS)

test-least-rights: chromium ## Run the tests on a server that has the rights of `gatepost migrate --grants` alone
	@$(TEST_DATABASE) GATEPOST_TEST_APP_ROLE=1 $(PYTEST) $(ARGS)

test-ids: $(VENV)/.dev ## Run what knows users by their ids on ids of another type (TYPE=uuid, text or bigint)
	@$(TEST_DATABASE) GATEPOST_TEST_USER_ID_TYPE=$(TYPE) $(PYTEST) $(or $(ARGS),tests/store tests/properties/test_state_machine.py tests/http/api)

# Asks nobody where there is one.
chromium: $(VENV)/.dev
	@$(BIN)/python -m scripts.chromium > /dev/null

lint: $(VENV)/.dev ## Check style, types and the direction of imports
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: $(VENV)/.dev ## Write the code as the style has it
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

audit: $(VENV)/.runtime ## Look for known vulnerabilities in what is locked (asks the internet)
	@$(BIN)/python scripts/audit.py

attack: $(VENV)/.runtime ## Have sqlmap and wapiti attack a server of our own (MINUTES=4 for each target)
	@$(BIN)/python scripts/attack.py --minutes $(or $(MINUTES),4)

fuzz: $(VENV)/.dev ## Look for what no test thought of (EXAMPLES=10000, random each time; an hour on two cores)
	@$(TEST_DATABASE) export FUZZ_EXAMPLES=$$(($(or $(EXAMPLES),10000) / 2)); \
	FUZZ_PART=1 $(BIN)/python -m pytest -s tests/properties/test_state_machine.py tests/properties/test_schemathesis.py $(ARGS) & \
	FUZZ_PART=2 $(BIN)/python -m pytest -s tests/properties/test_state_machine.py \
	tests/features/email/test_sender.py::test_several_workers_send_many_mails_with_failures_and_none_twice $(ARGS); second=$$?; \
	wait $$! && exit $$second

bench: $(VENV)/.runtime ## Measure Gatepost beside others (QUICK=1: a look; GROWTH=1: ten million sessions; TRAIL=1: ten million events)
	@$(BIN)/python -m bench $(if $(QUICK),--quick) $(if $(GROWTH),--growth) $(if $(TRAIL),--trail)

screenshots: chromium ## Take the pictures of the pages for docs/images anew, of a demo (ARGS="devices users": these alone)
	@$(BIN)/python scripts/screenshots.py $(ARGS)

client: $(VENV)/.dev ## Build the client for browsers into clients/js/dist
	@$(BIN)/python -m scripts.client

docs: $(VENV)/.dev ## Build the documentation into site/; a broken link is an error
	@if [ -f mkdocs.yml ]; then NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet; fi

clean: ## Remove what was built, .venv too; the data in .gatepost stay
	@rm -rf $(VENV) dist site htmlcov .coverage .coverage.* .hypothesis .schemathesis \
		.mypy_cache .ruff_cache .pytest_cache .import_linter_cache .chromium .npm clients/js/dist examples/spa/node_modules bench/.cache
	@find src tests backend scripts -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(VENV)/.runtime $(VENV)/.dev: $(VENV)/.%: pyproject.toml uv.lock scripts/bootstrap.py
	@test -n "$(PYTHON)" || { echo "Gatepost needs Python 3.11 or newer: install one," \
		"or say where it is: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) scripts/bootstrap.py $*
