// The interface through which the HTTP client gets the header `Authorization` of each request.

import type { IncomingHttpHeaders } from 'node:http'

export interface Credentials {
  /**
   * Returns the value of the header, or undefined to send none. When `signal` aborts, its caller
   * stops waiting.
   *
   * Errors: `ERR_TOKEN`, and the errors of the option `dispatcher` of `clientCredentials`. After an
   * error the next call tries again.
   */
  authorize(
    request: AuthorizedRequest,
    signal?: AbortSignal
  ): string | undefined | Promise<string | undefined>
  /**
   * Called when the server has refused a request with the status 401.
   *
   * @param authorization the header that the request had, if it had one
   * @param headers the headers of the refusal
   * @returns whether the next call of `authorize` may give a better header. The client then sends
   * the request once more
   */
  refused(authorization: string | undefined, headers: IncomingHttpHeaders): boolean
  /**
   * Called when the server has refused a request with the status 403. Parameters and result are
   * those of `refused`. Without this method the request fails.
   */
  insufficient?(authorization: string | undefined, headers: IncomingHttpHeaders): boolean
}

/** The parts of a request that a signature covers. */
export interface AuthorizedRequest {
  method: string
  url: URL
}
