# Everything runs in an environment of its own, .venv, made on first use; it needs Python 3.11 or newer.
PYTHON ?= python3
BIN := .venv/bin
# The tests start thousands of processes, none of which should have to compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo aws-bench test soak check format docs clean

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Everfit needs Python 3.11 or newer; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv

.venv/demo: .venv/bin/python pyproject.toml
	$(BIN)/pip install --quiet --editable '.[demo]'
	touch $@

.venv/dev: .venv/bin/python pyproject.toml
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

demo: .venv/demo  ## The whole story on real data, in about a minute
	$(BIN)/everfit demo build/demo

aws-bench: .venv/dev  ## What stands in for AWS in the guide "On AWS", until Ctrl-C
	@$(BIN)/python -m tests.aws.bench.guide $(if $(FIRE),fire $(FIRE))$(if $(ALARM),alarm $(ALARM))

test: .venv/dev  ## Every test, on two cores: a third of the time they wait for processes
	$(BIN)/pytest -n 3 --dist worksteal

soak: .venv/dev  ## What test leaves out: long stories told again in more places
	$(BIN)/pytest -n 3 --dist worksteal -m soak

check: .venv/dev  ## Formatter, linter, both type checkers, import rules, docs, and all that AWS is given, unsent
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/docs tests/aws/static tests/aws/test_stack_static.py

format: .venv/dev  ## Mend what the formatter and the linter can mend
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

docs: .venv/dev  ## Write the generated reference pages anew
	$(BIN)/python docs/generate.py

clean:
	rm -rf .venv build
