// The types of the validator that `node spec/schema/compile.js` makes of spec/schema/config.json.

export interface Fault {
  /** A JSON pointer to the invalid value. */
  instancePath: string
  keyword: string
  params: Record<string, unknown>
  message?: string
}

/** Returns whether `data` is valid. `errors` belongs to the last call only. */
export const configFile: { (data: unknown): boolean; errors?: Fault[] | null }
