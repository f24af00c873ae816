// Reads what proves the identity of an OAuth client from the files that the configuration names.

import type { ProofConfig } from '../config/config.ts'
import type { Proof } from '../http-client/auth/sign-in/registration.ts'

/** @throws ProxyError `ERR_CONFIG` if a file cannot be read */
export async function readProof({
  clientSecret,
  clientSecretFile,
  clientKey
}: ProofConfig): Promise<Proof> {
  const file = clientSecretFile ?? clientKey
  if (file === undefined) return { clientSecret }
  const { readText } = await import('../config/text-files.ts')
  const text = (await readText(file)).trim()
  return clientSecretFile === undefined ? { clientKey: text } : { clientSecret: text }
}
