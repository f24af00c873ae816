// The types of compiled.js, the validator that spec/schema/compile.js makes from spec/schema/config.json.

export interface Fault {
  /** A JSON pointer to the invalid value. */
  instancePath: string
  keyword: string
  params: Record<string, unknown>
  message?: string
}

/** Whether `data` is valid. If not, `errors` has the faults until the next call. */
export const configFile: { (data: unknown): boolean; errors?: Fault[] | null }
