// The version of this package, the same as in package.json.

export const version = '0.1.0'

/** The header `User-Agent` of the proxy's HTTP requests. */
export const userAgent = `mcp-duplex/${version}`
