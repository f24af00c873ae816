// What `npm run fuzz` gives inputs to. A target makes inputs from random numbers and runs the code
// under test with one input. All inputs are bytes, so a file can keep any of them.

import type { Random } from '../interop/random-json.ts'

export interface Target<Output = unknown> {
  name: string
  /** The part of all inputs that this target gets, relative to those of the other targets. */
  share: number
  /** Whether an input mostly waits, for example for a timeout. */
  waits?: boolean
  make(random: Random): Buffer
  /** Runs the code under test. Only this counts as its time and memory. */
  run(input: Buffer): Output | Promise<Output>
  /** Compares the output with that of a simpler implementation. Throws if they differ. */
  compare?(input: Buffer, output: Output): void
  /** Frees what the target shares between its inputs. */
  close?(): Promise<void> | void
}

/** Throws an error with this text unless the condition holds. */
export function expect(condition: boolean, text: string): asserts condition {
  if (!condition) throw new Error(text)
}

/** Returns a function's result, or the `ProxyError` that it throws. Another error is a failure. */
export function attempt<T>(action: () => T): { value: T } | { error: Error } {
  try {
    return { value: action() }
  } catch (error) {
    if ((error as Error).name !== 'ProxyError') throw error
    return { error: error as Error }
  }
}

/** Hides the type of the output, which differs between targets, so that a list can hold them all. */
export const target = <Output>(made: Target<Output>): Target => made
