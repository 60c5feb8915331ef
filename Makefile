# Two commands: `make demo` and `make test`. Each sets up everything it needs, once.
VENV    ?= .venv
PYTHON  ?= python3
PY      := $(VENV)/bin/python
PLUGINS := $(dir $(wildcard plugins/*/pyproject.toml))
INSTALL  = $(PY) -m pip install -q --disable-pip-version-check -c constraints.txt

.PHONY: demo test slow lint clean
demo: $(VENV)/.ready
	$(VENV)/bin/synthnoise demo

# A process per core, each of one thread, so that they do not fight over the cores.
test: $(VENV)/.ready
	OMP_NUM_THREADS=1 $(PY) -m pytest -q -n logical --maxprocesses 8 --dist worksteal

slow: $(VENV)/.ready
	$(PY) -m pytest -q -m slow

lint: $(VENV)/.lint
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

$(VENV)/.ready: pyproject.toml constraints.txt $(wildcard plugins/*/pyproject.toml)
	@test -x $(PY) || $(PYTHON) -m venv $(VENV) || { echo "error: python3 -m venv failed; on Debian: apt install python3-venv"; exit 1; }
	@echo "installing synthnoise and what its tests need (a few minutes the first time)"
	@$(INSTALL) -e '.[test]' $(addprefix -e ,$(PLUGINS))
	@touch $@

$(VENV)/.lint: $(VENV)/.ready
	@$(INSTALL) -e '.[lint]'
	@touch $@

clean:
	rm -rf $(VENV)
