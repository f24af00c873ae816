// The callbacks that a Duplex hands to its hooks.

export type Callback = (error?: Error | null) => void
export type DestroyCallback = (error?: Error | null) => void
