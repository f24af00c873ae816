// The types of the callbacks that Node passes to `_write`, `_final` and `_destroy`.

export type Callback = (error?: Error | null) => void
export type DestroyCallback = (error?: Error | null) => void
