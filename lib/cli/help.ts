// What --help prints. Every flag that the parser knows is here, and none that it does not.

export const help = `usage: mcp-proxy [options] URL
       mcp-proxy [options] [--] COMMAND [ARGS...]
       mcp-proxy [options] --named-server NAME 'COMMAND ARGS' ...
       mcp-proxy [options] --named-server-config FILE

Joins any MCP client to any MCP server. With a URL it speaks MCP on its stdin
and stdout, joined to the server at that URL (client mode). With a command or
named servers it listens on HTTP, joined to the servers that it starts (server
mode). It logs to stderr.

Options may also follow the command. -- ends them: what comes after it belongs
to the command.

  -h, --help                 show this text and exit
  --version                  show the version and exit

Client mode:
  URL                        the server, http:// or https:// (default: SSE_URL
                             from the environment)
  -H, --headers KEY VALUE    a header for each request; repeatable
  --transport NAME           auto, sse or streamablehttp (default: auto, which
                             is Streamable HTTP, or HTTP+SSE if there is only
                             that)
  --client-id ID             OAuth 2.0 client credentials: the token is fetched
  --client-secret SECRET     and renewed as needed (all three, or none)
  --token-url URL
  --verify-ssl [VALUE]       check the server's certificate: true, false, or a
  --no-verify-ssl            PEM file to check it against (default: true)
  --ca FILE                  trust this certificate authority as well (PEM)
  --cert FILE, --key FILE    a certificate to show to the server (PEM)

Servers to start:
  COMMAND [ARGS...]          the default server, at /mcp and /sse
  -e, --env KEY VALUE        environment for the default server; repeatable
  --cwd DIR                  its working directory (default: the proxy's)
  --pass-environment         hand the whole environment to every server
  --no-pass-environment      (default: only what is safe, like PATH and HOME)
  --named-server NAME 'COMMAND ARGS'
                             a server at /servers/NAME/; repeatable
  --named-server-config FILE the named servers, from JSON; --named-server is
                             ignored then
  --shared                   one process for all sessions (default: one for
                             each)
  --prewarm N                processes started ahead of the sessions that will
                             need them (default: 0)
  --close-timeout T          for a server to leave after end of input, and again
                             after SIGTERM (default: 5s)

HTTP:
  --port N                   port to listen on (default: 0, any that is free)
  --host HOST                address to listen on (default: 127.0.0.1)
  --sse-port N               deprecated: write --port
  --sse-host HOST            deprecated: write --host
  --stateless                Streamable HTTP without sessions
  --no-stateless             (default: with)
  --allow-origin ORIGIN [ORIGIN...]
                             CORS: web pages that may call, * for any;
                             repeatable (default: none)
  --expose-header NAME       CORS: headers that they may read; repeatable
                             (default: Mcp-Session-Id)
  --allow-host NAME          Host headers to accept; repeatable (default: names
                             of this machine's loopback when --host is one of
                             them, else any)
  --base-path PATH           a prefix that a reverse proxy strips (default: /)
  --tls-cert FILE            serve HTTPS with this certificate and key (PEM;
  --tls-key FILE             default: plain HTTP)

Limits (sizes: 512k, 64m, 1g; times: 500ms, 30s, 5m, 1h; 0: no limit):
  --max-message SIZE         one message, in either direction (default: 64m)
  --max-sessions N           sessions at a time (default: 1000)
  --session-timeout T        a session without traffic (default: 30m)
  --idle-timeout T           a client's connection without a request
                             (default: 2m)
  --connect-timeout T        a connection being made, and a server's first
                             answer (default: 30s)
  --restarts N               of a server that dies, or forgets its session, in
                             a minute (default: 5)
  --drain-timeout T          for calls in flight, when told to stop
                             (default: 10s)
  --keep-alive T             between comments on open streams (default: 15s)
  --max-replay SIZE          a session's events kept for a client that lost its
                             connection (default: 1m)
  --max-queue SIZE           what may wait for a client of a shared server that
                             does not read (default: 16m)
  --stream-after T           an answer that takes longer becomes an event stream
                             (default: 3s)
  --retry T                  for clients to wait before they reconnect
                             (default: 1s)

Logging:
  --log-level LEVEL          DEBUG, INFO, WARNING, ERROR or CRITICAL
                             (default: INFO)
  --debug                    the same as --log-level DEBUG, and wins over it
  --no-debug                 (default: off)
  --record FILE              write what passes to a file (default: none)

Environment:
  API_ACCESS_TOKEN           client mode: sets Authorization: Bearer TOKEN
  SSE_URL                    the URL, where none is given
  HTTP_PROXY, HTTPS_PROXY, NO_PROXY
                             client mode: the HTTP proxy to go through

Examples:
  mcp-proxy http://localhost:8080/sse
  mcp-proxy --no-verify-ssl https://server.local/sse
  mcp-proxy --transport streamablehttp http://localhost:8080/mcp
  mcp-proxy --headers Authorization 'Bearer YOUR_TOKEN' \\
    http://localhost:8080/sse
  mcp-proxy --client-id CLIENT_ID --client-secret CLIENT_SECRET \\
    --token-url https://auth.example.com/token http://localhost:8080/sse
  mcp-proxy --port 8080 -- your-command --arg1 value1 --arg2 value2
  mcp-proxy --named-server fetch 'uvx mcp-server-fetch' --port 8080
  mcp-proxy --port=8080 --named-server fetch 'uvx mcp-server-fetch' \\
    --named-server fetch2 'uvx mcp-server-fetch'
  mcp-proxy --port=8080 --named-server-config ./servers.json
  mcp-proxy your-command --port 8080 -e KEY VALUE -e ANOTHER_KEY ANOTHER_VALUE
  mcp-proxy your-command --port 8080 --allow-origin='*'
  mcp-proxy your-command --port 8080 --allow-origin='*' \\
    --expose-header Custom-Header
  mcp-proxy uvx mcp-server-fetch
  mcp-proxy --port=8080 -- uvx mcp-server-fetch --user-agent=YourUserAgent
  mcp-proxy --pass-environment --port=8096 --sse-host 0.0.0.0 \\
    uvx mcp-server-fetch
`
