# Each target sets up what it needs in $(VENV), with pinned versions, and does nothing twice.
#
#   make common-model                       the common face of the 400 ORL faces
#   make common-model DATA=folder           of your own pictures (EYES=eyes.csv, ALIGNED=1, COMPONENTS=80, OUT=folder);
#                                           an interrupted run is resumed, OVERWRITE=1 discards it
#   make test | lint | types | format       the test suite; style; type checks; reformat the code
#   make soak                               injected faults for 15 minutes (MINUTES=15), into docs/reliability.md, and the
#                                           tests that take too long for make test
#   make bench                              speed comparisons, into benchmarks/RESULTS.md (ONLY=step; DATA=folder for
#                                           solvers and registration)
#   make experiments                        the paper reproduced, into experiments/RESULTS.md, in half an hour; FULL=1 at the
#                                           paper's size, in hours (DATA=orl|caspeal|folder, ROOT=folder, ALSO=folder, ALIGNED=1)
#   make picture                            the README's picture, from runs/common-model, and that of docs/functions.md
#   make lock                               pin the newest versions of all dependencies

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
BENCH_READY := $(VENV)/ready-bench
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

OUT ?= runs/common-model
MINUTES ?= 15
# DATA: a folder of pictures; EYES: a table of their eyes; ALIGNED: they are aligned already.
ARGUMENTS := --out "$(OUT)" $(if $(COMPONENTS),--components $(COMPONENTS)) $(if $(OVERWRITE),--overwrite)
ARGUMENTS += $(if $(DATA),--data "$(DATA)") $(if $(EYES),--eyes "$(EYES)") $(if $(ALIGNED),--aligned)

.PHONY: common-model test soak bench experiments lint types format picture lock
.DEFAULT_GOAL := common-model

common-model: $(READY)
	$(BIN)/gmjax common-model $(ARGUMENTS)

# Most of the suite's time is compilation: tests that do not measure accuracy or bits compile with less effort.
QUICKLY := --xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1 \
	--xla_llvm_disable_expensive_passes=true
# One worker more than two cores, because some tests wait for other processes.
PYTEST := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 3 --dist worksteal

test: $(READY)
	XLA_FLAGS="$(QUICKLY)" $(PYTEST) -m "not compiled_fully"
	$(PYTEST) --numprocesses 2 -m compiled_fully $$(grep -rl compiled_fully tests --include="test_*.py")

soak: $(READY)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.reliability --minutes $(MINUTES)

# About three minutes on two cores. Also installs PyTorch, which only bench and experiments need.
bench: $(BENCH_READY)
	OMP_NUM_THREADS=2 $(BIN)/python -m benchmarks $(ONLY) $(if $(DATA),--data "$(DATA)")

experiments: $(BENCH_READY)
	$(BIN)/python -m experiments $(if $(FULL),--full) $(if $(DATA),--data "$(DATA)") $(if $(ROOT),--root "$(ROOT)") \
		$(if $(ALSO),--also "$(ALSO)") $(if $(ALIGNED),--aligned)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

picture: $(READY)
	$(BIN)/python docs/make_picture.py
	$(BIN)/python -m docs.make_functions_picture

lock: $(READY)
	$(PIP) uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-annotate \
		--extra dev pyproject.toml --output-file requirements.lock

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "gmjax needs Python 3.11 or newer, and $(PYTHON) is older: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Setting up $(VENV): this takes a minute or two."
	$(PYTHON) -m venv $(VENV)
	$(PIP) --requirement requirements.lock
	$(PIP) --no-deps --editable .
	@touch $@

# The package index decides which build of PyTorch this is: one for the CPU suffices, one with CUDA takes some GB more.
$(BENCH_READY): $(READY) requirements-bench.lock
	$(PIP) --requirement requirements-bench.lock
	@$(BIN)/python -c 'import torch; print("PyTorch", torch.__version__, "with CUDA" if torch.version.cuda else "for the CPU")'
	@touch $@
