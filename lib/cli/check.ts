// Runs --check, which starts no server. It prints each fault of the command line and the config
// file as one line on stderr. The config file was checked before. This file checks that commands
// and files exist.

import { accessSync, constants } from 'node:fs'
import type {
  ClientConfig,
  CredentialsConfig,
  ServeConfig,
  ServerConfig
} from '../config/config.ts'
import { isFile } from '../config/checks.ts'
import { describe } from '../errors.ts'
import { silent } from '../log.ts'
import { findCommand } from '../stdio/find-command.ts'
import { openAuth } from './open-auth.ts'

/** Returns the faults, one line each. */
export function findFaults(config: ClientConfig | ServeConfig): string[] {
  const { verify, ca, cert, key, check } = config
  const files: [flag: string, file: unknown][] = [
    ['--verify-ssl', verify],
    ['--ca', ca],
    ['--cert', cert],
    ['--key', key]
  ]
  const faults = [...(check?.faults ?? [])]
  if (config.mode === 'client') {
    const [secret, key] = proofFilesOf(config.credentials)
    files.push(['--client-secret-file', secret], ['--client-key', key])
  } else {
    const { tls, named, default: own } = config
    faults.push(...faultsOfAuth(config))
    files.push(['--tls-cert', tls?.cert], ['--tls-key', tls?.key])
    if (own !== undefined) faults.push(...faultsOf('default', own))
    for (const [name, server] of named) faults.push(...faultsOf(name, server))
  }
  for (const [flag, file] of files) {
    if (typeof file === 'string' && !isReadable(file)) faults.push(`${flag}: cannot read ${file}`)
  }
  return faults
}

function faultsOf(name: string, server: ServerConfig): string[] {
  if (server.kind === 'url') {
    const files = proofFilesOf(server.credentials).filter((file) => file !== undefined)
    return files.filter((file) => !isReadable(file)).map((file) => `${name}: cannot read ${file}`)
  }
  const { command, args, ...options } = server
  try {
    findCommand(command, args, options)
    return []
  } catch (error) {
    return [`${name}: ${describe(error)}`]
  }
}

/** Returns the files of the secret and of the key of an OAuth client. */
function proofFilesOf(config: CredentialsConfig | undefined): (string | undefined)[] {
  if (config === undefined || config.kind === 'login') return []
  return [config.clientSecretFile, config.clientKey]
}

function faultsOfAuth(config: ServeConfig): string[] {
  try {
    openAuth(config, silent)
    return []
  } catch (error) {
    return [describe(error)]
  }
}

function isReadable(file: string): boolean {
  try {
    accessSync(file, constants.R_OK)
    return isFile(file)
  } catch {
    return false
  }
}
