"""Reads command lines, each a JSON array in a line, and prints what the reference makes of them."""

import contextlib
import io
import json
import sys

from mcp_proxy.__main__ import _normalize_verify_ssl, _setup_argument_parser

parser = _setup_argument_parser()


def parse(argv):
    error = io.StringIO()
    try:
        with contextlib.redirect_stderr(error), contextlib.redirect_stdout(io.StringIO()):
            args = vars(parser.parse_args(argv))
    except SystemExit as end:
        return {"exit": end.code, "message": error.getvalue().strip().split("\n")[-1]}
    args["verify_ssl"] = _normalize_verify_ssl(args["verify_ssl"])
    named = args["named_server_definitions"] or args["named_server_config"]
    if not args["command_or_url"] and not named:
        return {"exit": 1, "message": "no command"}
    return {"args": args}


for line in sys.stdin:
    print(json.dumps(parse(json.loads(line))))
