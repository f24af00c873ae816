import {
  addressRange,
  basePath,
  file,
  headerName,
  host,
  hostHeader,
  issuer,
  origin,
  port,
  publicUrl,
  replica,
  safeUrl,
  scope,
  uri
} from '../arguments/values.ts'
import { sessionIdHeader } from '../../protocol/headers.ts'
import type { Flags } from './flag.ts'

export const httpFlags = {
  port: {
    shape: 'value',
    kind: port,
    default: 0,
    sets: 'port',
    alias: 'sse-port',
    needs: 'listener',
    reference: true,
    help: 'the port to listen on; 0 is any free port'
  },
  host: {
    shape: 'value',
    kind: host,
    default: '127.0.0.1',
    sets: 'host',
    alias: 'sse-host',
    needs: 'listener',
    reference: true,
    help: 'the name or address to listen on; on any other than loopback, the whole network can use the servers: add `--auth-token-file`'
  },
  stateless: {
    shape: 'switch',
    negatable: true,
    sets: 'stateless',
    needs: 'listener',
    reference: true,
    help: 'serve Streamable HTTP without sessions: all requests go to one process of each server'
  },
  'allow-origin': {
    shape: 'origins',
    kind: origin,
    sets: 'allowOrigins',
    defaultText: 'none',
    needs: 'listener',
    reference: true,
    help: 'the origins of web pages that may use the servers (CORS): every word up to the next flag or `--`; `*` lets every web page in; repeatable'
  },
  'expose-header': {
    shape: 'list',
    kind: headerName,
    default: [sessionIdHeader],
    separator: ',',
    sets: 'exposeHeaders',
    needs: 'listener',
    reference: true,
    help: 'a response header that these web pages may read (CORS), or several with commas between; repeatable'
  },
  'allow-host': {
    shape: 'list',
    kind: hostHeader,
    sets: 'allowHosts',
    defaultText: 'loopback names if `--host` is one, else any',
    needs: 'listener',
    help: 'a value of the `Host` header to accept; repeatable'
  },
  'base-path': {
    shape: 'value',
    kind: basePath,
    defaultText: 'unknown',
    sets: 'basePath',
    needs: 'listener',
    help: 'the path at which clients reach the proxy, such as `/tools` or `/`; the `endpoint` event of `/sse` is then an absolute path'
  },
  replica: {
    shape: 'value',
    kind: replica,
    defaultText: 'none',
    sets: 'replica',
    needs: 'listener',
    help: 'the name of this proxy among several behind one load balancer; each session id ends with a dot and this name, so the load balancer knows where the session is'
  },
  'auth-token-file': {
    shape: 'value',
    kind: file,
    defaultText: 'clients need no token',
    needs: 'listener',
    help: 'let in only clients with a token of this file (`Authorization: Bearer TOKEN`); each line is `name:token` or `name:sha256:HEX`, and a session belongs to the name that opened it; the file is read again when it changes'
  },
  'auth-issuer': {
    shape: 'list',
    kind: issuer,
    defaultText: 'none',
    needs: 'listener',
    help: 'let in clients with a token (JWT) of this OAuth issuer, written as in its tokens; the audience of the token must be the URL of the server, or `--public-url`; repeatable'
  },
  'auth-audience': {
    shape: 'value',
    kind: uri,
    defaultText: 'the URL of the server',
    needs: 'listener',
    help: 'the audience that tokens of `--auth-issuer` must have, in place of the URL of the server'
  },
  'auth-scope': {
    shape: 'list',
    kind: scope,
    defaultText: 'none',
    needs: 'listener',
    help: 'a scope that tokens of `--auth-issuer` must have for a server; the server of the command is `default`; repeatable'
  },
  'auth-introspection': {
    shape: 'value',
    kind: safeUrl,
    defaultText: 'tokens that are no JWT are refused',
    needs: 'listener',
    help: 'the URL that tells whether a token of `--auth-issuer` that is no JWT is valid (RFC 7662)'
  },
  'auth-introspection-file': {
    shape: 'value',
    kind: file,
    defaultText: '`MCP_PROXY_INTROSPECTION`',
    needs: 'listener',
    help: 'a file with `CLIENT_ID:SECRET`, with which the proxy signs in at `--auth-introspection`'
  },
  'public-url': {
    shape: 'value',
    kind: publicUrl,
    defaultText: 'the address of the listener',
    sets: 'publicUrl',
    needs: 'listener',
    help: 'the URL at which clients reach the proxy; `--auth-issuer` needs it if `--host` is an address for all networks, such as 0.0.0.0'
  },
  'require-auth': {
    shape: 'switch',
    sets: 'requireAuth',
    needs: 'listener',
    help: 'refuse to start if clients need no token and `--host` is not loopback or `--allow-origin` is `*`; otherwise this is only a warning'
  },
  'trust-proxy': {
    shape: 'list',
    kind: addressRange,
    separator: ',',
    sets: 'trustProxy',
    defaultText: 'none',
    needs: 'listener',
    help: 'the address of a reverse proxy, or a range such as `10.0.0.0/8`: its headers `X-Forwarded-For`, `-Proto` and `-Host` count, so limits and the audit log see the addresses of the clients; repeatable'
  },
  'audit-required': {
    shape: 'switch',
    sets: 'auditRequired',
    needs: 'listener',
    help: 'refuse requests while the file of `--audit` cannot be written; otherwise the proxy serves without it'
  },
  'tls-cert': {
    shape: 'value',
    kind: file,
    defaultText: 'plain HTTP',
    needs: 'listener',
    help: 'serve HTTPS with the certificate in this PEM file; needs `--tls-key`'
  },
  'tls-key': {
    shape: 'value',
    kind: file,
    needs: 'listener',
    help: 'a PEM file with the key of `--tls-cert`'
  }
} as const satisfies Flags
