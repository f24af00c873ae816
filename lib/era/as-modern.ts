import type { Duplex } from 'node:stream'
import type { Log } from '../log.ts'
export interface AsModernOptions {
  log?: Log | undefined
}
export interface ModernServer {
  port(principal?: string): Duplex
  ready(): Promise<unknown>
  isReady: boolean
  destroy(): Promise<void>
  drain(): void
}
export function asModern(_connect: () => Duplex, _options?: AsModernOptions): ModernServer {
  throw new Error('later')
}
