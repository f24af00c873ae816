import {
  choiceOf,
  file,
  issuer,
  metadataUrl,
  port,
  textOf,
  tokenUrl,
  trust
} from '../arguments/values.ts'
import { isHeaderName, isHeaderValue } from '../../config/checks.ts'
import type { TransportName } from '../../config/config.ts'
import type { Flags } from './flag.ts'

const transports: TransportName[] = ['auto', 'sse', 'streamablehttp']

export const clientFlags = {
  headers: {
    shape: 'pair',
    short: '-H',
    placeholder: 'KEY VALUE',
    example: "-H Authorization 'Bearer TOKEN'",
    separator: ':',
    isName: isHeaderName,
    isValue: isHeaderValue,
    needs: 'url',
    reference: true,
    help: "a header for each request to the URL, as two words, or as one: `-H 'KEY: VALUE'`; repeatable"
  },
  'headers-file': {
    shape: 'value',
    kind: file,
    needs: 'url',
    help: 'a file with more headers, `KEY: VALUE` in each line; lines that begin with `#` do not count; `--headers` wins'
  },
  transport: {
    shape: 'value',
    kind: choiceOf('NAME', transports),
    default: 'auto',
    needs: 'url',
    reference: true,
    help: '`auto`, `sse` or `streamablehttp`; `auto` tries Streamable HTTP first, and HTTP+SSE if the server refuses the first message with 400, 404 or 405'
  },
  'client-id': {
    shape: 'value',
    kind: textOf('ID'),
    needs: 'url',
    reference: true,
    help: 'the id of the proxy as an OAuth client (default: the proxy registers itself where the server allows it)'
  },
  'client-secret': {
    shape: 'value',
    kind: textOf('SECRET'),
    needs: 'url',
    reference: true,
    help: 'the secret of `--client-id`; other users of the machine may see it in the list of processes, so better use the next flag, or the variable `MCP_PROXY_CLIENT_SECRET`'
  },
  'client-secret-file': {
    shape: 'value',
    kind: file,
    needs: 'url',
    help: 'a file with the secret of `--client-id`'
  },
  'client-key': {
    shape: 'value',
    kind: file,
    needs: 'url',
    help: 'a file with the private key of `--client-id`, in PEM or as a JWK, in place of a secret (`private_key_jwt`)'
  },
  'client-issuer': {
    shape: 'value',
    kind: issuer,
    needs: 'url',
    help: 'the URL of the authorization server where `--client-id` is registered: the client signs in nowhere else (default: where it signs in first)'
  },
  'client-credentials': {
    shape: 'switch',
    needs: 'url',
    help: 'the client of `--client-id` signs in without a person; the default where the authorization server offers nothing else'
  },
  'token-url': {
    shape: 'value',
    kind: tokenUrl,
    needs: 'url',
    reference: true,
    help: 'the URL that gives a token to `--client-id`, without a question to the server: the proxy keeps the token until shortly before it expires, and fetches a new one when the server refuses it'
  },
  'client-metadata-url': {
    shape: 'value',
    kind: metadataUrl,
    needs: 'url',
    help: 'the `https:` URL of a document that describes the proxy as an OAuth client, for authorization servers that read such documents'
  },
  'no-browser': {
    shape: 'switch',
    needs: 'url',
    help: 'do not open the browser for a sign-in, only print the URL on stderr, or a code to enter at a URL where the authorization server offers that'
  },
  'callback-port': {
    shape: 'value',
    kind: port,
    default: 0,
    needs: 'url',
    help: 'the port on 127.0.0.1 to which the browser comes back after a sign-in; 0 is any free port'
  },
  username: {
    shape: 'value',
    kind: textOf('NAME'),
    needs: 'url',
    reference: true,
    help: 'the user name for Basic authentication, or for Digest with `--digest`; needs `--password`'
  },
  password: {
    shape: 'value',
    kind: textOf('PASSWORD'),
    needs: 'url',
    reference: true,
    help: 'the password of `--username`; other users of the machine may see it in the list of processes'
  },
  digest: {
    shape: 'switch',
    needs: 'url',
    reference: true,
    help: 'use Digest authentication, which does not send the password'
  }
} as const satisfies Flags

/** The TLS flags. They also apply to the servers at URLs in the config file, and to issuers. */
export const tlsFlags = {
  'verify-ssl': {
    shape: 'verify',
    negatable: true,
    kind: trust,
    default: true,
    sets: 'verify',
    needs: 'remote',
    reference: true,
    help: 'how to check the certificate of the server: `true`, `false`, or a PEM file with the certificates to trust instead of the usual ones; with `false` anyone on the network path can read and change the messages'
  },
  ca: {
    shape: 'value',
    kind: file,
    sets: 'ca',
    needs: 'remote',
    help: 'a PEM file with certificates to trust as well'
  },
  cert: {
    shape: 'value',
    kind: file,
    sets: 'cert',
    needs: 'remote',
    help: 'a PEM file with the certificate to show to a server that asks for one; needs `--key`'
  },
  key: {
    shape: 'value',
    kind: file,
    sets: 'key',
    needs: 'remote',
    help: 'a PEM file with the key of `--cert`'
  }
} as const satisfies Flags
