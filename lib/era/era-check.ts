// Finds out that a server at a URL has turned into one of another era, as after an update. Nothing
// closes then, and each response is an error. So for an error that a server of the wrong era sends,
// the proxy asks the server once more for its era, on a separate connection.

import type { Duplex } from 'node:stream'
import { describe } from '../errors.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import type { Frame } from '../message/frame.ts'
import { errorCodes, modernErrorCodes } from '../protocol/error-codes.ts'
import { methods } from '../protocol/methods.ts'
import { gone } from './probe.ts'
import { discover, isEraRefusal } from './discover.ts'
import type { Era } from './discover.ts'
import type { ServerEra } from './server-era.ts'

export interface EraCheckOptions {
  era: ServerEra
  /** Makes a transport to the server. */
  connect: () => Duplex
  /** How long the server may take to answer, in ms (0: no limit). */
  probeTimeout: number
  log?: Log | undefined
}

/** A check that found no other era counts for all errors of this time after it, in ms. */
const checkInterval = 1000

export class EraCheck {
  readonly #options: EraCheckOptions
  #checking: Promise<void> | undefined
  #lastCheck = -Infinity

  constructor(options: EraCheckOptions) {
    this.#options = options
  }

  /**
   * Asks the server for its era, unless it was asked a moment ago. Resolves to whether the proxy now
   * knows another era than the one that the caller counts on.
   */
  async differsFrom(expected: Era): Promise<boolean> {
    const { era } = this.#options
    const isRecent = performance.now() - this.#lastCheck < checkInterval
    const isOpen = era.known === undefined || era.known === expected
    if (isOpen && (!isRecent || this.#checking !== undefined)) {
      this.#checking ??= this.#check()
      await this.#checking
    }
    return era.known !== undefined && era.known !== expected
  }

  async #check(): Promise<void> {
    const { connect, era, log = silent, probeTimeout } = this.#options
    const before = era.known
    const server = connect()
    try {
      era.learn(await discover(server, probeTimeout))
    } catch (error) {
      log.debug(`cannot find out the era of the server: ${describe(error)}`)
    }
    void gone(server)
    if (era.known === before) this.#lastCheck = performance.now()
    this.#checking = undefined
  }
}

/** Whether a legacy server answers a modern request with such an error. */
export function seemsLegacy({ method }: Frame, { errorCode, failure }: Frame): boolean {
  if (failure !== undefined) return isEraRefusal(failure)
  const code = errorCode as number
  if (code === errorCodes.methodNotFound) return method === methods.discover
  return code === errorCodes.invalidRequest || (code <= errorCodes.serverError && code > -32020)
}

/** Whether a modern server answers a legacy request with such an error. */
export const seemsModern = ({ errorCode }: Frame): boolean => modernErrorCodes.has(errorCode)
