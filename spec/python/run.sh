#!/bin/sh
# The Python client of both generations through the proxy, and the reference's own way of testing
# itself: `uvx mcp-server-fetch` behind one proxy, joined with another. The built command is used.
#
# Without Python or PyPI there is nothing to run: then it says so, and that is no failure.

set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

leave_out() {
  echo "left out: $1"
  exit 0
}

command -v python3 >/dev/null || leave_out 'there is no python3'
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/1" && python3 -m venv "$scratch/2" || leave_out 'python3 has no venv'
python3 -m pip --retries 1 --timeout 15 download --quiet --no-deps --dest "$scratch" mcp==1.30.0 \
  >"$scratch/log" 2>&1 || leave_out "PyPI is not reachable ($(tail -n 1 "$scratch/log"))"

"$scratch/1/bin/pip" install --quiet mcp==1.30.0
"$scratch/2/bin/pip" install --quiet mcp==2.3.0 uv==0.13.9

"$scratch/1/bin/python" -W ignore "$here/check.py" clients
PATH="$scratch/2/bin:$PATH" "$scratch/2/bin/python" -W ignore "$here/check.py" clients modern fetch
