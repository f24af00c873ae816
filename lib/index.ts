// The library: transports and wrappers, for those who build a proxy of their own.

export { Frame, makeFrame, parseFrame } from './message/frame.ts'
export type { Envelope } from './message/frame.ts'
export type { Id, Message } from './protocol/json-rpc.ts'
export { ProxyError } from './errors.ts'
export type { ErrorCode } from './errors.ts'
export { limits } from './limits.ts'
export type { Limits } from './limits.ts'
export type { Log } from './log.ts'
export { join } from './proxy/join.ts'

export { NewlineParser, encodeLines } from './framing/newline.ts'
export type { ParserOptions } from './framing/newline.ts'
export { SseParser, encodeEvent } from './framing/sse.ts'
export type { SseParserOptions } from './framing/sse.ts'
export { BodyParser, parseBody } from './framing/body.ts'
export type { Body } from './framing/body.ts'

export { acceptStdio } from './stdio/accept-stdio.ts'
export type { StdioOptions } from './stdio/accept-stdio.ts'
export { connectChild } from './stdio/connect-child.ts'
export type { ChildOptions } from './stdio/connect-child.ts'
export { connectHttp } from './http-client/connect-http.ts'
export type { HttpOptions } from './http-client/http-options.ts'
export { connectSse } from './http-client/connect-sse.ts'
export { connectUrl } from './http-client/connect-url.ts'
export { clientCredentials } from './http-client/auth/client-credentials.ts'
export type {
  ClientCredentialsOptions,
  TokenSource
} from './http-client/auth/client-credentials.ts'

export { prewarm } from './wrappers/prewarm.ts'
export { reconnect } from './wrappers/reconnect.ts'
export type { ReconnectOptions } from './wrappers/reconnect.ts'
export { record } from './wrappers/record.ts'
export type { RecordedFrame, Recorder, Tap } from './wrappers/record.ts'
export { share } from './wrappers/share.ts'
export type { ShareOptions, SharedServer } from './wrappers/share.ts'
export { shareSessions } from './wrappers/share-sessions.ts'
export type { ShareSessionsOptions, SharedSessions } from './wrappers/share-sessions.ts'

export { listen } from './http-server/listener.ts'
export type { Listener, ListenerOptions, ServerState } from './http-server/listener.ts'
export type { ClientContext, ClientKind, OnClient } from './http-server/client-context.ts'
