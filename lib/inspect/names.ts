// A number for each method, and for each name of a tool, a prompt or a resource. The ring keeps numbers,
// because to the garbage collector a number is no work. Few names are in use, but a client may invent
// others without end, so there are only so many numbers.

import { copyOf } from '../text.ts'

/** How many texts have a number. */
export const maxNames = 10_000
/** The longest text that gets a number, in characters. */
const maxLength = 256

/** The number of `undefined`. */
const none = 0
/** The number of all texts without a number of their own. */
export const unknown = 1

export class Names {
  readonly #numbers = new Map<string | undefined, number>([[undefined, none]])
  readonly #texts: (string | undefined)[] = [undefined, undefined]

  numberOf(text: string | undefined): number {
    return this.#numbers.get(text) ?? this.#add(text as string)
  }

  /** @param number not `unknown` */
  at(number: number): string | undefined {
    return this.#texts[number]
  }

  #add(text: string): number {
    const number = this.#texts.length
    if (number - 2 >= maxNames || text.length > maxLength) return unknown
    const copy = copyOf(text)
    this.#texts.push(copy)
    this.#numbers.set(copy, number)
    return number
  }
}
