// Reads the files that the configuration names.

import { readFile } from 'node:fs/promises'
import { ProxyError } from '../errors.ts'
import { isHeaderName, isHeaderValue } from './checks.ts'

/**
 * Reads a file of headers: `NAME: VALUE` in each line. Empty lines and lines that begin with `#` do
 * not count.
 *
 * @throws ProxyError `ERR_CONFIG`. The message does not show a value
 */
export async function readHeadersFile(file: string): Promise<[string, string][]> {
  const lines = (await readText(file)).split(/\r?\n/)
  return lines.flatMap((line, index) => {
    if (line.trim() === '' || line.startsWith('#')) return []
    const [, name = '', value = ''] = /^([^:]*):(.*)$/.exec(line) ?? []
    if (isHeaderName(name) && isHeaderValue(value)) return [[name, value.trim()]]
    throw new ProxyError('ERR_CONFIG', `${file}: line ${index + 1} is no header like "NAME: VALUE"`)
  })
}

/** @throws ProxyError `ERR_CONFIG` if the file cannot be read */
export async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const reason = code === 'ENOENT' ? 'no such file' : `cannot be read (${code})`
    throw new ProxyError('ERR_CONFIG', `${file}: ${reason}`)
  }
}
