// Loads `@opentelemetry/api`, which the operator installs. Only this file and traces.ts use its types, so
// the types of the library do not need the package.

import { ProxyError } from '../../errors.ts'

export type Api = typeof import('@opentelemetry/api')

/**
 * @param load loads the package, for tests
 * @throws ProxyError `ERR_CONFIG` if it is not installed
 */
export async function loadApi(
  load: () => Promise<Api> = () => import('@opentelemetry/api')
): Promise<Api> {
  try {
    return await load()
  } catch (cause) {
    throw new ProxyError('ERR_CONFIG', 'traces need the package @opentelemetry/api', { cause })
  }
}
