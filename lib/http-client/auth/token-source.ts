// The interface through which the HTTP client gets its access tokens.

export interface TokenSource {
  /**
   * Returns a token that has not expired. Callers that wait at the same time share one token
   * request. When `signal` aborts, its caller stops waiting. If no other caller waits, the token
   * request stops, too.
   *
   * Errors: `ERR_TOKEN`, and the errors of the option `dispatcher`. After an error the next call
   * sends a new token request.
   */
  token(signal?: AbortSignal): Promise<string>
  /**
   * Tells the source that the server refused `token`. The next call of `token()` fetches a new one.
   */
  refused(token: string): void
}
