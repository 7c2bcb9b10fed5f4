# paystorm: every target sets up what it needs, once; a rerun sets nothing up again.
#
#   make demo      the main job, end to end, on the embedded sandbox
#   make test      lint, types and all tests
#   make coverage  unit and integration tests once more, measured: they have to reach 95 % of the code
#   make test-fast unit, property and golden tests      make test-e2e  integration and end-to-end tests
#   make lint      ruff and mypy
#   make bench     the figures of the README, with the machine they were taken on
#   make stack-up  sandbox, Kafka and IBM MQ as containers, until they are healthy; make stack-down
#   make validate-pipeline   a run of the smoke plan on that stack, reconciled once more from its directory
#   make audit     known vulnerabilities of the pinned versions
#   make clean     remove the virtual environment and what tests leave behind

PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
# What a set-up depends on: change it, and the next make sets up again.
INPUTS := pyproject.toml constraints.txt
PIP := $(BIN)/python -m pip --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest --durations=5 --durations-min=2
COVERAGE_PERCENT := 95

# Each is a program of its own; measure.py is what they share.
BENCHMARKS := $(filter-out %/__init__.py %/measure.py %/synthetic_run.py %_clients.py,$(wildcard benchmarks/*.py))

# The stack needs a container engine with Compose: docker, or podman as COMPOSE='podman compose'.
COMPOSE ?= docker compose
STACK := --profile sandbox --profile brokers

.PHONY: demo test test-fast test-unit test-drawn test-properties test-e2e test-integration test-users test-alone coverage lint bench audit clean stack-up stack-down stack-wanted validate-pipeline

# $(call timed,name,command): run a command, and say how long it took.
timed = @echo "== $(1)"; start=$$(date +%s); $(2); status=$$?; \
	echo "== $(1): $$(( $$(date +%s) - start )) s"; exit $$status

demo: $(VENV)/.run
	$(BIN)/paystorm run demo

test: $(VENV)/.test
	@$(MAKE) $(SIDE_BY_SIDE) lint test-properties test-integration $(firstword $(PARTS)) test-unit $(wordlist 2,9,$(PARTS)) test-drawn
	@$(MAKE) --no-print-directory test-alone

lint: $(VENV)/.test
	$(call timed,format,$(BIN)/ruff format --check .)
	$(call timed,lint,$(BIN)/ruff check .)
	$(call timed,types,$(BIN)/mypy)

# Each suite in a process of its own, since some tests import Locust, which patches the libraries.
# Those that need no time of their own to be right run side by side, three on two cores: half of them
# mostly wait for what they started.
SIDE_BY_SIDE := --no-print-directory --jobs 3 --output-sync=target

test-fast: $(VENV)/.test
	@$(MAKE) $(SIDE_BY_SIDE) test-properties test-unit test-drawn

test-e2e: test-integration
	@$(MAKE) --no-print-directory test-users

# Pages and texts, of which matplotlib takes most of the time.
DRAWN := $(addprefix tests/unit/test_,docs.py render_golden_option.py render_html.py report_labels.py structure.py)
UNIT := $(filter-out $(DRAWN),$(wildcard tests/unit/test_*.py))

test-unit: $(VENV)/.test
	$(call timed,unit tests,$(PYTEST) $(UNIT))

test-drawn: $(VENV)/.test
	$(call timed,pages and golden files,$(PYTEST) $(DRAWN) tests/golden)

test-properties: $(VENV)/.test
	$(call timed,property tests,$(PYTEST) tests/properties)

test-integration: $(VENV)/.test
	$(call timed,integration tests,$(PYTEST) tests/integration)

# What users start, in parts of a few files each; those that ask how fast something is run alone.
PARTS := test-users-1 test-users-2 test-users-3 test-users-4
ALONE := $(addprefix tests/e2e/test_,demo.py fleet.py mq.py stall.py)

test-users: $(VENV)/.test
	@$(MAKE) $(SIDE_BY_SIDE) $(PARTS)
	@$(MAKE) --no-print-directory test-alone

test-users-%: $(VENV)/.test
	$(call timed,end-to-end tests $*,$(PYTEST) tests/e2e $(addprefix --ignore ,$(ALONE)) --part $*/$(words $(PARTS)))

test-alone: $(VENV)/.test
	$(call timed,end-to-end tests of speed,$(PYTEST) $(ALONE))

# To be measured takes a test two and a half times its time where it has greenlets, so that is apart; to
# follow these costs a third of it, and most tests have none.
GREENLETS := $(shell grep -lE 'gevent|locustfiles' $(UNIT))
MEASURED := $(BIN)/coverage run

coverage: $(VENV)/.test
	$(BIN)/coverage erase
	$(MEASURED) --concurrency=thread -m pytest -q $(filter-out $(GREENLETS),$(UNIT))
	$(MEASURED) -m pytest -q $(GREENLETS)
	$(MEASURED) -m pytest -q tests/integration
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under=$(COVERAGE_PERCENT)

bench: $(VENV)/.run
	@for each in $(BENCHMARKS); do $(BIN)/python $$each || exit; done

# In an environment of its own, which has other versions. Strict: what could not be looked up is no pass.
# pip-audit ends with 1 for what it found, and for whom it could not ask as well, often with a traceback.
AUDIT_LOG := $(VENV)/audit.log
audit: $(VENV)/.audit
	@$(VENV)/audit/bin/pip-audit --strict --requirement constraints.txt --no-deps --disable-pip >$(AUDIT_LOG) 2>&1; status=$$?; \
	if test $$status = 0 || grep -q '^Found [0-9]* known vulnerabilit' $(AUDIT_LOG); then \
		cat $(AUDIT_LOG); exit $$status; fi; \
	tail -n 1 $(AUDIT_LOG); echo "== audit: whether anything is vulnerable could not be asked; all of it: $(AUDIT_LOG)"; exit 3

$(VENV)/.audit: $(VENV)/.python
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install --quiet pip-audit
	touch $@

stack-up: stack-wanted
	$(COMPOSE) $(STACK) up --build --detach --wait

stack-down:
	$(COMPOSE) --profile '*' down --remove-orphans

# What is missing is said before anything is built.
stack-wanted:
	@$(COMPOSE) version >/dev/null 2>&1 || { \
		echo "There is no '$(COMPOSE)' here: install a container engine with Compose, or name yours with COMPOSE="; exit 2; }
	@test "$$MQ_LICENSE" = accept || { \
		echo "IBM MQ starts for who agrees to IBM's terms for developers: read them, then set MQ_LICENSE=accept"; exit 2; }
	@test -z "$$MQ_CLIENT" -o -f "$$MQ_CLIENT/lib64/$(MQ_LIBRARY)" || { \
		echo "MQ_CLIENT=$$MQ_CLIENT has no lib64/$(MQ_LIBRARY): name the folder of IBM's MQ client, unpacked"; exit 2; }
	@test -z "$$MQ_CLIENT" -o -n "$$MQ_PASSWORD" || { \
		echo "MQ_PASSWORD is not set: choose the one that the user app is to have at the queue manager"; exit 2; }

# Over HTTP, through real Kafka, whose event topic tells of all outcomes, and through IBM MQ where MQ_CLIENT is
# the folder of IBM's MQ client: by its library sandbox and workers reach the queue manager.
MQ_LIBRARY := libmqm_r.so
ifdef MQ_CLIENT
validate-pipeline: export SANDBOX_OPTIONS ?= --kafka-at=kafka:9092 '--mq-at=mq(1414)' --mq-user=app \
	--mq-qmgr=$(or $(MQ_QMGR),QM1) --mq-library=/opt/mqm/lib64/$(MQ_LIBRARY)
validate-pipeline: export CHANNELS ?= http=40,kafka=30,mq=30
else
validate-pipeline: export SANDBOX_OPTIONS ?= --kafka-at=kafka:9092
validate-pipeline: export CHANNELS ?= http=60,kafka=40
endif
validate-pipeline: export PAYSTORM_SET ?= kafka.bootstrap=kafka:9092
# The master's exit code is the verdict; what is judged again from its directory must come to the same.
# (Not by --exit-code-from: it would stop the master when the first worker has ended.)
validate-pipeline: stack-up
	$(COMPOSE) $(STACK) --profile run up --detach --force-recreate master worker
	@status=0; $(COMPOSE) --profile run wait master || status=$$?; \
		$(COMPOSE) --profile run logs --no-log-prefix master; exit $$status
	$(COMPOSE) --profile run run --rm --no-deps master paystorm reconcile /runs/$(or $(PLAN),smoke)/latest

$(VENV)/.python:
	@command -v $(PYTHON) >/dev/null || { echo 'paystorm needs Python 3.11 or later: make PYTHON=python3.12'; exit 2; }
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.run: $(VENV)/.python $(INPUTS)
	$(PIP) install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.test: $(VENV)/.run
	$(PIP) install --quiet --constraint constraints.txt --editable '.[test]'
	touch $@

clean:
	rm -rf $(VENV) .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
