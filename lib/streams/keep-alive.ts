// Calls items that have been silent for some time, with one timer for all of them. A timer for each open
// event stream would wake an idle process for each stream.
//
// The timer beats some times in each interval, and each item counts the beats since it last said
// something. So an item is called at the last beat before the interval has passed.

import { LatestSet, Link } from './latest-set.ts'

/**
 * How many beats an interval has. Each beat wakes the process. With fewer beats, an item may be called
 * earlier: with 3, after two thirds of its interval.
 */
const beats = 3

export abstract class SilentItem extends Link {
  /** The beats since the item last said something. Set it to 0 when the item says something. */
  silentBeats = 0

  /** Called when the item has been silent for the whole interval. */
  abstract onSilence(): void
}

export class KeepAlive {
  readonly #period: number
  readonly #items = new LatestSet<SilentItem>()
  #timer: NodeJS.Timeout | undefined

  /** @param interval how long an item may be silent, in ms */
  constructor(interval: number) {
    this.#period = interval / beats
  }

  add(item: SilentItem): void {
    this.#items.add(item)
    this.#timer ??= setInterval(this.#beat, this.#period)
  }

  /** Forgets an item. Does nothing if the item is not in this set. */
  delete(item: SilentItem): void {
    this.#items.delete(item)
    if (this.#items.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  readonly #beat = (): void => {
    let item = this.#items.latest
    while (item !== undefined) {
      const { before } = item
      if (++item.silentBeats >= beats) {
        item.silentBeats = 0
        item.onSilence()
      }
      item = before
    }
  }
}

const all = new Map<number, KeepAlive>()

/** Returns the timer for an interval. The configuration names the intervals, so there are only a few. */
export function keepAliveOf(interval: number): KeepAlive {
  let found = all.get(interval)
  if (found === undefined) all.set(interval, (found = new KeepAlive(interval)))
  return found
}
