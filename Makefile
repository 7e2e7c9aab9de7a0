# Every target sets up what it needs in .venv and is quick when nothing changed.
#   make demo    ask the sample database a few questions
#   make test    run the tests
#   make conformance  compare with recorded verdicts of the official evaluators
#   make check   lint, formatting and types
#   make format  reformat the code
#   make docs    build the documentation site, after docs/cli.md
#   make notebooks  run every notebook

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo test conformance check format docs notebooks clean
.DELETE_ON_ERROR:

demo: $(VENV)/.installed-core
	@$(BIN)/txt2sql ask \
		"How many shops are there?" \
		"How many books are there in each genre?" \
		"Show the title and price of the most expensive book."

test: $(VENV)/.installed-dev
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

conformance: $(VENV)/.installed
	@$(BIN)/python benchmarks/conformance.py $(ARGS)

check: $(VENV)/.installed-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(VENV)/.installed-dev
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: $(VENV)/.installed-dev
	@$(BIN)/python docs/generate_cli.py
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "the site is in site/; to see it: $(BIN)/python -m http.server --directory site"

notebooks: $(VENV)/.installed-dev
	@$(BIN)/python -m pytest -m slow tests/test_notebooks.py $(ARGS)

clean:
	rm -rf $(VENV) build dist site src/*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

# Stamps, touched when a step is complete: a killed installation is taken up again, not believed.
$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "txt2sql needs Python 3.10 or newer; name one: make PYTHON=python3.12" >&2; exit 1; }
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then \
		$(PYTHON) -m venv $(VENV); \
	else \
		$(PYTHON) -m venv --without-pip $(VENV) && \
		$(PYTHON) -m pip --python $(BIN)/python install --quiet pip; \
	fi || { echo "$(PYTHON) cannot make a virtual environment; install its venv module" \
		"(Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@touch $@

$(VENV)/.installed-core: requirements-core.txt pyproject.toml $(VENV)/.created
	@echo "installing into $(VENV): once, half a minute"
	$(BIN)/python -m pip install --quiet -r requirements-core.txt -e .
	@touch $@

$(VENV)/.installed: requirements.txt $(VENV)/.installed-core
	@echo "installing what training and serving need: once, a minute or more"
	$(BIN)/python -m pip install --quiet -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	@touch $@
