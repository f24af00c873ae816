// Reads the config file, the tokens and the certificate again, and applies what has changed. First it
// reads and checks everything. If a file is wrong, nothing has changed then. The rest cannot fail and
// does not wait, so no client sees a part of a change.

import { stat } from 'node:fs/promises'
import type { Config, ServeConfig } from '../../config/config.ts'
import { describe, ProxyError } from '../../errors.ts'
import { notAFile, versionOf } from '../../file-version.ts'
import type { Auth } from '../../http-server/auth/auth.ts'
import type { Listener } from '../../http-server/listener.ts'
import { checkTls } from '../../http-server/open-server.ts'
import type { Tls } from '../../http-server/open-server.ts'
import type { Log } from '../../log.ts'
import type { Upstreams } from '../../proxy/upstreams.ts'
import { readTls } from './read-tls.ts'

export interface ReloadOptions {
  /** The configuration that the proxy has now. */
  config: ServeConfig
  /** Makes the configuration again, from the same command line and the files of today. */
  readAgain: () => Promise<Config>
  listener: Pick<Listener, 'replaceServers' | 'setTls'>
  upstreams: Upstreams
  auth: Auth | undefined
  /** The certificate and the key that the listener has now. */
  tls: Tls | undefined
  log: Log
}

export class Reload {
  readonly #options: ReloadOptions
  #tls: Tls | undefined
  /** The faults of the config file when it was read last. Their entries are left out. */
  #faults: readonly string[]

  constructor(options: ReloadOptions) {
    this.#options = options
    this.#tls = options.tls
    this.#faults = options.config.faults ?? []
  }

  /**
   * Resolves to what has changed, in words.
   *
   * @param signal when it aborts, nothing changes any more
   * @throws ProxyError if a file is wrong. Then nothing has changed
   */
  async run(signal: AbortSignal): Promise<string[]> {
    const { listener, upstreams, auth, log } = this.#options
    const config = await this.#readConfig()
    const change = await upstreams.prepare(config)
    const tls = await this.#readTls(config)
    const hasNewTls = tls !== undefined && !isSame(tls, this.#tls)
    if (hasNewTls) await checkTls(tls)
    signal.throwIfAborted()

    const hasNewTokens = auth?.reload?.() === true
    this.#faults = config.faults ?? []
    if (hasNewTls) listener.setTls(tls)
    this.#tls = tls
    const { added, changed, removed, names, ended } = change
    if (added.length + ended.length > 0) {
      const endReplaced = change.apply()
      listener
        .replaceServers(names, ended)
        .then(endReplaced)
        .catch((error: unknown) => log.error(describe(error)))
    }
    return [
      ...inWords('added', added),
      ...inWords('changed', changed),
      ...inWords('removed', removed),
      ...(hasNewTokens ? ['new tokens'] : []),
      ...(hasNewTls ? ['new certificate'] : [])
    ]
  }

  async #readConfig(): Promise<ServeConfig> {
    const file = this.#options.config.configFile
    if (file !== undefined && (await isPipe(file))) {
      throw new ProxyError('ERR_CONFIG', `${file}: it is no file that can be read again`)
    }
    const config = (await this.#options.readAgain()) as ServeConfig // the mode is the same
    const faults = (config.faults ?? []).filter((fault) => !this.#faults.includes(fault))
    if (faults.length > 0) throw new ProxyError('ERR_CONFIG', `${file}: ${faults.join('; ')}`)
    return config
  }

  async #readTls(config: ServeConfig): Promise<Tls | undefined> {
    const { cert = '', key = '' } = config.tls ?? {}
    return (await isPipe(cert)) || (await isPipe(key)) ? this.#tls : readTls(config)
  }
}

/** Whether a file can be read only once. To read it again could wait without end. */
const isPipe = async (file: string): Promise<boolean> =>
  versionOf(await stat(file).catch(() => undefined)) === notAFile

const inWords = (word: string, labels: string[]): string[] =>
  labels.length === 0 ? [] : [`${word} ${labels.join(', ')}`]

const isSame = (one: Tls, other: Tls | undefined): boolean =>
  String(one.cert) === String(other?.cert) && String(one.key) === String(other?.key)
