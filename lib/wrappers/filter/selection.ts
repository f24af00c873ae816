// Which tools, prompts and resources of a server clients may see and use.

import { Glob } from './glob.ts'

/** The names of the kind to show and to hide. A resource has its URI or URI template as name. */
export interface Selection {
  /** Patterns with `*` and `?`. Only names that match one are shown (default: all names). */
  allow?: readonly string[] | undefined
  /** Patterns with `*` and `?`. Names that match one are hidden, even if `allow` has them. */
  deny?: readonly string[] | undefined
}

export type Kind = 'tools' | 'prompts' | 'resources'

export type Selections = Readonly<Partial<Record<Kind, Selection | undefined>>>

interface Rule {
  allow: Glob[]
  deny: Glob[]
}

export class Selector {
  readonly #rules: Record<Kind, Rule[]>
  readonly #hasRules: boolean

  /** @param all a name must pass all selections of its kind */
  constructor(all: readonly Selections[]) {
    const rulesOf = (kind: Kind): Rule[] =>
      all.flatMap(({ [kind]: { allow = [], deny = [] } = {} }) =>
        allow.length + deny.length === 0
          ? []
          : [{ allow: allow.map(toGlob), deny: deny.map(toGlob) }]
      )
    this.#rules = {
      tools: rulesOf('tools'),
      prompts: rulesOf('prompts'),
      resources: rulesOf('resources')
    }
    this.#hasRules = Object.values(this.#rules).some((rules) => rules.length > 0)
  }

  /** Whether some names of this kind may be hidden. Without a kind: of any kind. */
  hidesSome(kind?: Kind): boolean {
    return kind === undefined ? this.#hasRules : this.#rules[kind].length > 0
  }

  /** Whether clients may see and use this name. */
  shows(kind: Kind, name: string): boolean {
    return this.#rules[kind].every(
      ({ allow, deny }) =>
        (allow.length === 0 || allow.some((glob) => glob.matches(name))) &&
        !deny.some((glob) => glob.matches(name))
    )
  }
}

const toGlob = (pattern: string): Glob => new Glob(pattern)
