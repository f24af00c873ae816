"""Connects Python's MCP clients to servers through the proxy, and checks the results.

check.py clients    ClientSession with the demo, over Streamable HTTP, HTTP+SSE and client mode
check.py modern     Client of mcp 2, which detects the revision of the server
check.py fetch      mcp-server-fetch in server mode, with a client through client mode
"""

import asyncio
import contextlib
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from pathlib import Path

import mcp
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

root = Path(__file__).parents[2]
command = str(root / "bin" / "mcp-proxy.js")
demo = ["node", str(root / "fixtures" / "servers" / "demo.js"), "--page-size", "3"]


@contextlib.asynccontextmanager
async def proxy(*args):
    """Starts server mode on a free port. Yields the URL before "mcp" and "sse"."""
    process = await asyncio.create_subprocess_exec(
        "node", command, "--port", "0", *args, stderr=asyncio.subprocess.PIPE
    )
    log = ""
    while not (found := re.search(r"(http://[\d.:]+/)mcp and ", log)):
        line = (await process.stderr.readline()).decode()
        assert line, f"the proxy did not start: {log}"
        log += line
    rest = asyncio.create_task(process.stderr.read())
    try:
        yield found[1]
    finally:
        process.terminate()
        log += (await rest).decode()
        assert await process.wait() == 0, log


def client_mode(*args):
    return stdio_client(StdioServerParameters(command="node", args=[command, *args]))


async def check_demo(transport, name):
    """Uses every feature of a ClientSession with the demo."""
    logged = asyncio.Event()

    async def on_log(params):
        if params.data == {"called": "echo"}:
            logged.set()

    async def on_elicit(_context, _params):
        return mcp.types.ElicitResult(action="accept", content={"answer": "forty-two"})

    async def on_roots(_context):
        return mcp.types.ListRootsResult(roots=[mcp.types.Root(uri="file:///python")])

    async with transport as streams:
        session = mcp.ClientSession(
            streams[0],
            streams[1],
            logging_callback=on_log,
            elicitation_callback=on_elicit,
            list_roots_callback=on_roots,
        )
        async with session:
            await session.initialize()

            async def call(name, arguments=None, **options):
                result = await session.call_tool(name, arguments or {}, **options)
                return result.content[0].text

            names = []
            page = await session.list_tools()
            while True:
                names += [tool.name for tool in page.tools]
                cursor = getattr(page, "next_cursor", None) or getattr(page, "nextCursor", None)
                if cursor is None:
                    break
                params = mcp.types.PaginatedRequestParams(cursor=cursor)
                page = await session.list_tools(params=params)
            assert names == ["echo", "add", "count", "ask", "sample", "roots", "update"], names

            assert await call("echo", {"text": "Grüße 😀 \u2028"}) == "Grüße 😀 \u2028"
            steps = []

            async def on_progress(progress, total, _message):
                steps.append((progress, total))

            await call("count", {"to": 3, "delay": 20}, progress_callback=on_progress)
            # The last callbacks may run after the response.
            while len(steps) < 3:
                await asyncio.sleep(0.01)
            assert steps == [(1, 3), (2, 3), (3, 3)], steps
            assert await call("ask", {"question": "?"}) == "The user said: forty-two"
            assert await call("roots") == "file:///python"
            await session.set_logging_level("debug")
            await call("echo", {"text": ""})
            await asyncio.wait_for(logged.wait(), 10)
            try:
                await session.get_prompt("translate")
                raise AssertionError("an argument is missing")
            except Exception as error:
                assert getattr(error, "error", None) is not None, error
                assert error.error.code == -32602, error
                assert error.error.data == {"argument": "language"}, error
            await session.send_ping()
    print(f"ok: mcp {version('mcp')} ClientSession, {name}")


async def clients():
    async with proxy("--", *demo) as url:
        await check_demo(streamable_http_client(f"{url}mcp"), "Streamable HTTP")
        await check_demo(sse_client(f"{url}sse"), "HTTP+SSE")
        await check_demo(client_mode(f"{url}mcp"), "two proxies, Streamable HTTP")
        await check_demo(client_mode(f"{url}sse"), "two proxies, HTTP+SSE")


async def modern():
    async with proxy("--", *demo) as url:
        async with mcp.Client(f"{url}mcp") as client:
            result = await client.call_tool("add", {"a": 1, "b": 2})
            assert result.content[0].text == "3", result
    print(f"ok: mcp {version('mcp')} Client")


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"All is well."
        self.send_response(200 if self.path == "/page" else 404)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args):
        pass


async def fetch():
    site = HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{site.server_port}/page"
    private = ["--", "uvx", "mcp-server-fetch", "--allow-private-ips"]
    for server, expected in (["uvx", "mcp-server-fetch"], "private"), (private, "All is well."):
        async with proxy("--pass-environment", *server) as url:
            for path in ("sse", "mcp"):
                async with client_mode(f"{url}{path}") as streams:
                    async with mcp.ClientSession(streams[0], streams[1]) as session:
                        await session.initialize()
                        tools = (await session.list_tools()).tools
                        assert [tool.name for tool in tools] == ["fetch"], tools
                        result = await session.call_tool("fetch", {"url": address})
                        assert expected in result.content[0].text, result
                print(f"ok: {' '.join(server)}, two proxies, /{path}")


for name in sys.argv[1:]:
    asyncio.run({"clients": clients, "modern": modern, "fetch": fetch}[name]())
