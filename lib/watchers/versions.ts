// The revision of each call: that of its request, or the one that its session has agreed on.

import { stringAt } from '../json/find-value.ts'
import type { Frame } from '../message/frame.ts'
import { methods } from '../protocol/methods.ts'
import { paths } from '../protocol/paths.ts'
import { isKnownVersion } from '../protocol/revisions.ts'
import type { FactClient } from '../streams/facts.ts'
import type { EndedCall } from './calls.ts'
import { other } from './metrics/bounded.ts'

export class Versions {
  readonly #agreed = new WeakMap<FactClient, string>()

  /** Learns the revision of a session from the response to `initialize`. */
  learn({ client, method }: EndedCall, response: Frame | undefined): void {
    if (method !== methods.initialize || response === undefined) return
    const version = stringAt(response.bytes, paths.agreedVersion)
    if (version !== undefined) this.#agreed.set(client, known(version))
  }

  /** Returns the revision of a call or a session. `other` if the protocol has no such revision. */
  of(client: FactClient, asked?: string): string | undefined {
    return asked === undefined ? this.#agreed.get(client) : known(asked)
  }
}

const known = (version: string): string => (isKnownVersion(version) ? version : other)
