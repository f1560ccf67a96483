# `make` lists the targets. Every target sets up what it needs; only python3, venv, make and git must be there.
.DEFAULT_GOAL := help
.PHONY: help demo demo-check sign-demo sign verify test check format bench bench-line bench-custody bench-tsa soak kills kills-s3 samples clean runtime dev

SIGNED := var/signed
PYTHON := .venv/bin/python
# file names reach the recipes through the environment: the shell splits FILES at spaces and takes nothing else in it
export FILES DIR FILES_FROM
# each program that the tests start would compile all of its libraries again
unexport PYTHONDONTWRITEBYTECODE

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS='	' read -r name text; do \
		printf '  make %-10s %s\n' "$$name" "$$text"; done

demo: runtime ## run the whole line on this machine, print one address to open; Ctrl-C stops it
	@exec $(PYTHON) -m deploy.demo

demo-check: dev ## run the demo once through a headless browser and verify what comes back
	@$(PYTHON) -m deploy.demo_check

sign-demo: runtime ## sign three documents with the demo's card on the command line and verify them
	@$(PYTHON) -m deploy.demo_signing

sign: runtime ## sign FILES="a.pdf b.xml c.txt", the files in DIR=folder or those that FILES_FROM=list names; results in var/signed
	@$(PYTHON) -m deploy.demo_sign $${DIR:+--dir "$$DIR"} $${FILES_FROM:+--files-from "$$FILES_FROM"} -- $$FILES

verify: runtime ## verify FILES="a.pdf b.xml c.asice" with the demo's root as trust anchor
	@if [ -z "$$FILES" ]; then echo 'Name the files: make verify FILES="$(SIGNED)/a-signed.pdf"' >&2; exit 2; fi
	@.venv/bin/fts verify --trust $(SIGNED)/root.pem -- $$FILES

test: dev check ## set up, check and run all tests, on all cores
	@.venv/bin/pytest -n auto --maxprocesses 4 --dist worksteal

check: dev ## lint, formatting, types, import contracts, and what must not be in the tree
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@deploy/hygiene.sh

format: dev ## format the code and fix what the linter can
	@.venv/bin/ruff check --fix-only .
	@.venv/bin/ruff format .

bench: dev ## measure signing beside EU DSS and pyHanko (PAdES and XAdES)
	@$(PYTHON) -m tests.bench

bench-line: dev ## measure the line through the gateway with 50 signers
	@$(PYTHON) -m tests.bench.line

bench-custody: dev ## measure records, the chain, encryption and both object stores
	@$(PYTHON) -m tests.bench.custody

bench-tsa: dev ## measure the timestamping authority beside sigstore's and beside the bare signature
	@$(PYTHON) -m tests.bench.tsa

soak: dev ## a million timestamps by two workers: memory flat, no serial number twice? (minutes)
	@$(PYTHON) -m tests.soak.tsa

kills: dev ## a hundred kills of web and worker: effects and records agree (minutes)
	@FTS_KILL_ROUNDS=100 .venv/bin/pytest tests/e2e/kills/test_kills.py -s

kills-s3: dev ## five days with 10,000 documents and kills on an S3 server (minutes)
	@FTS_RETENTION_DOCUMENTS=10000 .venv/bin/pytest tests/e2e/kills/test_retention_s3.py -s

samples: dev ## write the sample PDFs of the tests to var/samples
	@$(PYTHON) -m tests.samples var/samples

clean: ## remove the demo, signed files, samples and caches (the virtual environment and tools stay)
	@rm -rf var/demo var/demo-documents $(SIGNED) var/samples
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

runtime:
	@deploy/setup.sh runtime

dev:
	@deploy/setup.sh dev
