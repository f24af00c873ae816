#!/bin/sh
# Runs check.py with both generations of Python's MCP client, in virtual environments of a temporary
# directory. It uses the built command. The check with `uvx mcp-server-fetch` is the one that Python's
# mcp-proxy uses for itself.
#
# Without python3, venv or PyPI, it prints "left out" with the reason, and succeeds.

set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

skip() {
  echo "left out: $1"
  exit 0
}

command -v python3 >/dev/null || skip 'python3 is not installed'
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/1" && python3 -m venv "$scratch/2" || skip 'python3 has no venv'
python3 -m pip --retries 1 --timeout 15 download --quiet --no-deps --dest "$scratch" mcp==1.30.0 \
  >"$scratch/log" 2>&1 || skip "cannot reach PyPI ($(tail -n 1 "$scratch/log"))"

"$scratch/1/bin/pip" install --quiet mcp==1.30.0
"$scratch/2/bin/pip" install --quiet mcp==2.3.0 uv==0.13.9

"$scratch/1/bin/python" -W ignore "$here/check.py" clients
PATH="$scratch/2/bin:$PATH" "$scratch/2/bin/python" -W ignore "$here/check.py" clients modern fetch
