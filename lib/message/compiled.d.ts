// The types of what `node spec/schema/compile.js` makes.

export interface Fault {
  /** A JSON pointer to what is wrong. */
  instancePath: string
  keyword: string
  params: Record<string, unknown>
  message?: string
}

/** Says whether `data` is valid. `errors` is of the last call only. */
export interface Validator {
  (data: unknown): boolean
  errors?: Fault[] | null
}

export const JSONRPCRequest: Validator
export const JSONRPCNotification: Validator
export const JSONRPCResultResponse: Validator
export const JSONRPCErrorResponse: Validator

export const InitializeRequest_2024_11_05: Validator
export const InitializeRequest_2025_03_26: Validator
export const InitializeRequest_2025_06_18: Validator
export const InitializeRequest_2025_11_25: Validator

export const InitializeResult_2024_11_05: Validator
export const InitializeResult_2025_03_26: Validator
export const InitializeResult_2025_06_18: Validator
export const InitializeResult_2025_11_25: Validator
