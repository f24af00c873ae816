// The types of authorization. `tokenAuth` and `issuerAuth` make an `Auth`. A caller of `listen` may
// also write one.

/** What a valid token gives to its client. */
export interface Grant {
  /** The user or program to which the token belongs. Sessions belong to principals. */
  readonly principal: string
  /** The resources that the token is for (default: every server of the listener). */
  readonly audiences?: readonly string[] | undefined
  /** The scopes of the token (default: all). */
  readonly scopes?: ReadonlySet<string> | undefined
  /**
   * Whether the token still counts (default: always). The listener calls this function for each
   * request, and once a second while an event stream is open. So it must be fast.
   */
  isValid?(): boolean
}

/** Decides which clients may come in. */
export interface Auth {
  /**
   * Returns the grant of a token, or `undefined` if the token is not valid. The listener remembers a
   * grant until it is not valid any more.
   *
   * @throws ProxyError `ERR_UNAUTHORIZED` with the reason why the token is not valid, or `ERR_ISSUER`
   *   if the token cannot be checked now
   */
  check(token: string): Grant | undefined | Promise<Grant | undefined>
  /**
   * Reads the tokens again, if they are in a file. Returns whether they have changed.
   *
   * @throws ProxyError `ERR_CONFIG` if the file is wrong. Then nothing has changed
   */
  reload?(): boolean
  /** What clients need to know before they can get a token (default: nothing). */
  readonly rules?: AccessRules | undefined
}

/** The rules for the tokens of issuers. A token without `audiences` is not subject to them. */
export interface AccessRules {
  /** The URLs of the issuers. */
  readonly issuers: readonly string[]
  /** The audience that a token must have (default: the URL of the server, or that of the proxy). */
  readonly audience?: string | undefined
  /** Returns the scopes that a token must have for a server. `''` is the default server. */
  readonly scopesOf: (server: string) => readonly string[]
}
