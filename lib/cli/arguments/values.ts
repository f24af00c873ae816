// The kinds of flag values. The `read` of a kind turns the text of a flag into its value. For a
// wrong text it throws an error that names the flag and shows a valid text. The error repeats the
// wrong text only if that text cannot be a secret.

import type { AddressConfig, MetricsConfig } from '../../config/config.ts'
import type { Kind } from '../flags/flag.ts'
import { isDirectory, isFile, isHeaderName, parseHttpUrl } from '../../config/checks.ts'
import { isSafeUrl } from '../../http-server/auth/safe-url.ts'
import { parseRange } from '../../http-server/callers/address.ts'
import { findRoute, nowhere } from '../../http-server/routes.ts'
import { quote, usage } from './usage.ts'

export function choiceOf<Choice extends string>(
  placeholder: string,
  choices: readonly Choice[]
): Kind<Choice> {
  return {
    placeholder,
    read(flag, text) {
      const found = choices.find((choice) => choice.toLowerCase() === text.toLowerCase())
      if (found !== undefined) return found
      throw usage(`${flag} is one of ${choices.join(', ')}, not ${quote(text)}`)
    }
  }
}

export const textOf = (placeholder: string): Kind<string> => ({
  placeholder,
  read: (_flag, text) => text
})

/** A pattern for names, with `*` and `?`. */
export const pattern: Kind<string> = {
  placeholder: 'GLOB',
  read(flag, text) {
    if (text !== '') return text
    throw usage(`${flag} needs a name or a pattern, such as 'read_*'`)
  }
}

export const count: Kind<number> = {
  placeholder: 'N',
  read(flag, text) {
    const number = /^\d+$/.test(text) ? Number(text) : NaN
    if (Number.isSafeInteger(number)) return number
    throw usage(`${flag} needs a whole number, not ${quote(text)}`)
  }
}

export const port: Kind<number> = {
  placeholder: 'N',
  read(flag, text) {
    const port = /^\d+$/.test(text) ? Number(text) : NaN
    if (port <= 65535) return port
    throw usage(`${flag} needs a number from 0 to 65535, not ${quote(text)}`)
  }
}

const bytes: Record<string, number> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }

/** The kind of value for a size, such as 64m. It is read as bytes. */
export const size: Kind<number> = {
  placeholder: 'SIZE',
  read(flag, text) {
    const [, amount, unit = ''] = /^(\d+(?:\.\d+)?)([kmg]?)b?$/.exec(text.toLowerCase()) ?? []
    const size = Math.ceil(Number(amount) * (bytes[unit] as number))
    if (Number.isSafeInteger(size)) return size
    throw usage(`${flag} needs a size like 512k, 64m or 1g, not ${quote(text)}`)
  },
  print: (size) => withUnit(size, bytes)
}

const milliseconds: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** The longest delay of a Node timer, in ms. With a longer delay, the timer fires after 1 ms. */
const longestTime = 2 ** 31 - 1

/** The kind of value for a time, such as 30s. It is read as ms. */
export const time: Kind<number> = {
  placeholder: 'T',
  read(flag, text) {
    const [, amount, unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text.toLowerCase()) ?? []
    if (amount === undefined) {
      throw usage(`${flag} needs a time like 500ms, 30s or 5m, not ${quote(text)}`)
    }
    if (Number(amount) === 0) return 0
    const scale = milliseconds[unit]
    if (scale === undefined) {
      const examples = `${amount}ms, ${amount}s, ${amount}m or ${amount}h`
      throw usage(`${flag} ${amount} needs a unit: ${examples}`)
    }
    // A very short time must not become 0, because 0 turns the limit off.
    const time = Math.max(1, Math.round(Number(amount) * scale))
    if (time > longestTime) throw usage(`${flag} can be 596h at most; 0 is no limit`)
    return time
  },
  print: (time) => withUnit(time, milliseconds)
}

/** Writes a value in the largest unit that gives a whole number. */
function withUnit(value: number, units: Record<string, number>): string {
  const fitting = Object.entries(units).filter(([, scale]) => value % scale === 0)
  const [unit, scale] = fitting.at(-1) as [string, number]
  return `${value / scale}${unit}`
}

export const file: Kind<string> = {
  placeholder: 'FILE',
  read(flag, text) {
    if (text !== '') return text
    throw usage(`${flag} needs the name of a file`)
  }
}

/** An existing directory. An empty text means no directory, as in the Python mcp-proxy. */
export const directory: Kind<string> = {
  placeholder: 'DIR',
  read(flag, text) {
    if (text === '' || isDirectory(text)) return text
    throw usage(`${flag}: there is no directory ${quote(text)}`)
  }
}

const yes = /^(?:1|true|yes|on)$/i
const no = /^(?:0|false|no|off)$/i

export const trust: Kind<boolean | string> = {
  placeholder: '[VALUE]',
  read(flag, text) {
    if (yes.test(text) || no.test(text)) return yes.test(text)
    if (isFile(text)) return text
    throw usage(`${flag} takes true, false or a PEM file, and there is no file ${quote(text)}`)
  }
}

/** Returns whether the word after `--verify-ssl` is the value of that flag. */
export const isTrust = (word = ''): boolean => yes.test(word) || no.test(word) || isFile(word)

/** An http:// or https:// URL. An empty text counts as if the flag is not given. */
export const tokenUrl: Kind<URL | undefined> = {
  placeholder: 'URL',
  read(flag, text) {
    const url = parseHttpUrl(text)
    if (url !== undefined || text === '') return url
    throw usage(`${flag} needs a URL like https://auth.example.com/token`)
  }
}

export const metadataUrl: Kind<string | undefined> = {
  placeholder: 'URL',
  read(flag, text) {
    const url = parseHttpUrl(text)
    if (url?.protocol === 'https:' && url.pathname !== '/') return text
    throw usage(`${flag} needs a URL like https://example.com/client.json`)
  }
}

/** The URL of an OAuth issuer. The value is the text, because it must be identical in the tokens. */
export const issuer: Kind<string> = {
  placeholder: 'URL',
  read(flag, text) {
    const { search, hash } = safeUrl.read(flag, text)
    if (search === '' && hash === '' && !/[?#]/.test(text)) return text
    throw usage(`${flag} needs a URL without a query`)
  }
}

/** A URL to which a secret may be sent. The text is not repeated, because it may have a password. */
export const safeUrl: Kind<URL> = {
  placeholder: 'URL',
  read(flag, text) {
    const url = parseHttpUrl(text)
    const isSafe = url !== undefined && isSafeUrl(url) && url.username === '' && url.password === ''
    if (isSafe) return url
    throw usage(`${flag} needs a URL like https://auth.example.com (http: only on this machine)`)
  }
}

export const uri: Kind<string> = {
  placeholder: 'URI',
  read(flag, text) {
    if (/^[\x21-\x7e]+$/.test(text)) return text
    throw usage(`${flag} needs a URI like https://mcp.example.com`)
  }
}

/** The URL at which clients reach the proxy. The value has no slash at its end. */
export const publicUrl: Kind<string> = {
  placeholder: 'URL',
  read(flag, text) {
    const url = parseHttpUrl(text)
    const { username, password, search, hash } = url ?? {}
    if (url !== undefined && ![username, password, search, hash].some(Boolean)) {
      return url.href.replace(/\/$/, '')
    }
    throw usage(`${flag} needs a URL like https://mcp.example.com or https://example.com/tools`)
  }
}

/** The name of a server and a scope. */
export const scope: Kind<[server: string, scope: string]> = {
  placeholder: 'SERVER=SCOPE',
  read(flag, text) {
    const [, server, scope] = /^([^=]+)=([\x21\x23-\x5b\x5d-\x7e]+)$/.exec(text) ?? []
    if (server !== undefined && scope !== undefined) return [server, scope]
    throw usage(`${flag} needs a server and a scope: fetch=mcp:fetch`)
  }
}

export const host: Kind<string> = {
  placeholder: 'HOST',
  read(flag, text) {
    if (text !== '') return text.replace(/^\[(.*)\]$/, '$1')
    throw usage(`${flag} needs a name or address: 127.0.0.1, or 0.0.0.0 for all`)
  }
}

/** An address, or a range of addresses. */
export const addressRange: Kind<string> = {
  placeholder: 'CIDR',
  read(flag, text) {
    if (parseRange(text) !== undefined) return text
    throw usage(`${flag} needs an address or a range like 10.0.0.0/8, not ${quote(text)}`)
  }
}

/** A host name. The value is lower-case, without a port, with IPv6 addresses in brackets. */
export const hostHeader: Kind<string> = {
  placeholder: 'NAME',
  read(flag, text) {
    const isBareIPv6 = /^[^[]*:.*:/.test(text)
    const url = `http://${isBareIPv6 ? `[${text}]` : text}`
    if (URL.canParse(url) && !/[/?#@]/.test(text)) return new URL(url).hostname
    throw usage(`${flag} needs a host name, not ${quote(text)}`)
  }
}

/** The name of a replica, which becomes a part of session ids, and of the rules of a load balancer. */
export const replica: Kind<string> = {
  placeholder: 'REPLICA',
  read(flag, text) {
    if (/^[A-Za-z0-9_-]{1,63}$/.test(text)) return text
    throw usage(`${flag} needs a name of at most 63 letters, digits, - and _, not ${quote(text)}`)
  }
}

export const basePath: Kind<string> = {
  placeholder: 'PATH',
  read(flag, text) {
    const segments = text.split('/').filter((segment) => segment !== '')
    if (/[?#\s\\:]/.test(text) || segments.some((segment) => /^\.\.?$/.test(segment))) {
      throw usage(`${flag} needs a path like /tools, not ${quote(text)}`)
    }
    return segments.map((segment) => `/${segment}`).join('')
  }
}

export const headerName: Kind<string> = {
  placeholder: 'NAME',
  read(flag, text) {
    if (isHeaderName(text)) return text
    throw usage(`${flag} needs the name of a header, not ${quote(text)}`)
  }
}

/** An origin. The value is written as browsers send it, because the proxy compares it exactly. */
export const origin: Kind<string> = {
  placeholder: 'ORIGIN [ORIGIN...]',
  read: (_flag, text) =>
    /^https?:/i.test(text) && URL.canParse(text) ? new URL(text).origin : text
}

/** Returns whether a word after `--allow-origin` is one more origin. */
export const isOrigin = (word = ''): boolean =>
  word === '*' || word === 'null' || (word.includes('://') && !word.startsWith('-'))

/** Where the metrics are: at a path of the listener, or at an address of their own. */
export const metricsPlace: Kind<MetricsConfig> = {
  placeholder: '[HOST:]PORT|PATH',
  read(flag, text) {
    if (/^(?:\/[\w.~-]+)+$/.test(text)) {
      if (findRoute(text) === nowhere) return { path: text }
      throw usage(`${flag}: the proxy already serves ${quote(text)}`)
    }
    const address = readAddress(text)
    if (address !== undefined) return address
    throw usage(`${flag} needs a port, an address such as 0.0.0.0:9464, or a path such as /metrics`)
  }
}

/** Where the traffic page is. */
export const inspectAddress: Kind<AddressConfig> = {
  placeholder: '[HOST:]PORT',
  read(flag, text) {
    const address = readAddress(text)
    if (address !== undefined) return address
    throw usage(`${flag} needs a port, or an address such as 192.0.2.1:9000`)
  }
}

/** Reads `[HOST:]PORT`. An address without a host is on 127.0.0.1. */
function readAddress(text: string): AddressConfig | undefined {
  const [, host = '', digits] = /^(?:([^/\s]+):)?(\d+)$/.exec(text) ?? []
  const port = Number(digits)
  if (!(port <= 65535)) return undefined
  return { host: host.replace(/^\[(.*)\]$/, '$1') || '127.0.0.1', port }
}
