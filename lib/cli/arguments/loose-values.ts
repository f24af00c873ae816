// Decides what the words after --verify-ssl and --allow-origin are. argparse takes them as values,
// even if they were meant as the command: `--verify-ssl URL` is then an error. The proxy follows
// argparse where that gives a valid command line, and otherwise takes such words as the command.
// The proxy knows only after the last word whether the command line is valid.

import { isOrigin } from './values.ts'

/** A flag and its values. A negated flag, such as `--no-debug`, has the value `false`. */
export interface Given {
  /** The name of the flag, or its alias. */
  key: string
  values: string[]
}

const isUrl = (word = ''): boolean => /^https?:/i.test(word)

export class LooseValues {
  readonly #trusts: { given: Given; word: string }[] = []
  readonly #origins: Given[] = []

  /** @param word the word after `--verify-ssl`: not true, not false and not an existing file */
  addTrust(given: Given, word: string): void {
    this.#trusts.push({ given, word })
  }

  /** @param given the flag, with all words after `--allow-origin` up to the next flag */
  addOrigins(given: Given): void {
    this.#origins.push(given)
  }

  /**
   * Moves words from the values of the flags to the command. Returns the moved words.
   *
   * @param command the first word of the command that is certain
   * @param isNamed true if there are named servers, so that no command is needed
   */
  settle(command: string | undefined, isNamed: boolean): string[] {
    const moved: string[] = []
    for (const { given, word } of this.#trusts) {
      const isValue = command === undefined ? isNamed : isUrl(command)
      if (word === '' || (isValue && !isUrl(word))) given.values = [word]
      else moved.push(word)
    }
    for (const given of this.#origins) {
      if (command !== undefined || moved.length > 0 || isNamed) break
      const count = given.values.findIndex((value, i) => i > 0 && !isOrigin(value))
      if (count > 0) moved.push(...given.values.splice(count))
    }
    return moved
  }
}
