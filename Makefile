# Everything of ours lands under this checkout; package caches stay where each tool keeps them.
PYTHON ?= python3
BIN := .venv/bin
REAL_BLOCKS := $(wildcard ../shared/data/mainnet)
SUITES := $(wildcard ../shared/data/ethereum_tests ../shared/data/eest)
EVM := $(wildcard tests/peers/geth-node/bin/evm)
GETH := $(wildcard tests/peers/geth-node/bin/geth)
PROTOC = $(BIN)/python -m grpc_tools.protoc -I proto verifier/rpc/v1/executor.proto
# Runs a command only where its toolchain is; in CI everything has to be there.
IF_THERE = sh -c 'if command -v "$$0" >/dev/null || [ -n "$$CI" ]; then exec "$$@"; else echo "skipped: $$0 is not on PATH"; fi'

.PHONY: setup adapters peers run test lint bench proto check-generated lock clean

.venv/.installed: requirements-dev.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

# Python packages, and every adapter whose toolchain is here.
setup: adapters

adapters: .venv/.installed
	$(BIN)/verifier adapters build --available

# The real clients of the end-to-end tests, where their toolchains are here.
peers:
	$(IF_THERE) go $(MAKE) -C tests/peers/geth-node bin/geth bin/evm
	$(IF_THERE) node $(MAKE) -C tests/peers/lodestar-node node_modules/.installed

# Records a chain of our own, replays it and the real blocks through all adapters that are here; then, for two minutes, the
# sidecar at work between an execution client (geth, where `make peers` built it or PATH has it) and a validator.
run: setup
	$(BIN)/verifier adapters list
	$(BIN)/verifier record --genesis fixtures/chain/genesis.json --blocks fixtures/chain/chain.rlp --out out/chain
	$(BIN)/verifier replay --available out/chain
	$(if $(REAL_BLOCKS),$(BIN)/verifier replay --available --accept-claims $(REAL_BLOCKS))
	$(BIN)/verifier demo $(if $(GETH),--geth $(GETH)) --out out/demo

# All tests: ours, and each adapter's own in its language. Two at a time; end to end, each worker has all adapters running.
test: setup peers
	$(BIN)/python -m pytest --numprocesses 2 --dist loadgroup --ignore tests/end_to_end
	$(BIN)/python -m pytest --numprocesses 2 --dist loadgroup tests/end_to_end
	$(IF_THERE) go $(MAKE) -C adapters/geth test
	$(IF_THERE) cargo $(MAKE) -C adapters test
	$(IF_THERE) node $(MAKE) -C adapters/ethereumjs test

# Every language's formatter and linter, types, import directions, and whether generated code is current.
lint: .venv/.installed check-generated
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(IF_THERE) node node --check verifier/telemetry/page/page.js
	$(IF_THERE) go $(MAKE) -C adapters/geth lint
	$(IF_THERE) cargo $(MAKE) -C adapters lint
	$(IF_THERE) node $(MAKE) -C adapters/ethereumjs lint

# Medians of 20 runs on real blocks. Takes long and needs an otherwise idle machine.
bench: setup
	$(BIN)/verifier bench $(REAL_BLOCKS) $(addprefix --suite ,$(SUITES)) $(if $(EVM),--own-runner "geth=$(EVM) blocktest")

proto: .venv/.installed
	$(PROTOC) --python_out=. --pyi_out=. --grpc_python_out=.
	$(MAKE) -C adapters/geth generate

check-generated: .venv/.installed
	@rm -rf build/generated && mkdir -p build/generated
	@$(PROTOC) --python_out=build/generated --pyi_out=build/generated --grpc_python_out=build/generated
	@for file in build/generated/verifier/rpc/v1/*; do diff "$$file" "verifier/rpc/v1/$${file##*/}" \
	  || { echo "verifier/rpc/v1 is not current: run make proto"; exit 1; }; done

# Resolves the pinned Python packages anew, for all supported Python versions at once.
LOCK = $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet
lock: .venv/.installed
	$(BIN)/python -m pip install --quiet uv
	$(LOCK) pyproject.toml -o requirements.txt
	$(LOCK) pyproject.toml --group dev -o requirements-dev.txt

clean:
	rm -rf .venv out build adapters/geth/bin adapters/target adapters/ethereumjs/dist adapters/ethereumjs/build \
	  tests/peers/geth-node/bin tests/peers/geth-node/build tests/peers/lodestar-node/node_modules
