// Where the HTTP client gets its access tokens.

export interface TokenSource {
  /**
   * Gives a token that is still valid. Callers at the same time share one token request. `signal` ends
   * the wait of its caller, and the token request too if no other caller waits.
   *
   * Errors: `ERR_TOKEN`, and those of `dispatcher`. After an error the next call tries again.
   */
  token(signal?: AbortSignal): Promise<string>
  /** Reports that the server refused a token. The next call fetches another. */
  refused(token: string): void
}
