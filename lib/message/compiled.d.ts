// The types of compiled.js. spec/schema/compile.js makes that file, with one validator for each
// schema.

export interface Fault {
  /** A JSON pointer to the invalid value. */
  instancePath: string
  message?: string
}

/** Returns whether `data` is valid. If not, `errors` has the faults until the next call. */
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
