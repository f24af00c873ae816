import { count, directory, file } from '../arguments/values.ts'
import { isVariableName } from '../../config/checks.ts'
import type { Flags } from './flag.ts'

export const serverFlags = {
  env: {
    shape: 'pair',
    short: '-e',
    placeholder: 'KEY VALUE',
    example: '-e KEY VALUE',
    isName: isVariableName,
    needs: 'command',
    reference: true,
    help: 'an environment variable for the default server, as two words; repeatable'
  },
  cwd: {
    shape: 'value',
    kind: directory,
    defaultText: "the proxy's",
    needs: 'command',
    reference: true,
    help: 'the working directory of the default server'
  },
  'pass-environment': {
    shape: 'switch',
    negatable: true,
    needs: 'process',
    reference: true,
    help: 'give each server the whole environment of the proxy; otherwise it gets only HOME, LOGNAME, PATH, SHELL, TERM and USER (on Windows the usual system variables), and those of `-e` or its `env` in the config file'
  },
  'named-server': {
    shape: 'pair',
    placeholder: "NAME 'COMMAND ARGS'",
    example: "--named-server NAME 'COMMAND ARGS'",
    needs: 'definitions',
    reference: true,
    help: 'a server at `/servers/NAME/`; the command is split into words as a POSIX shell does it; repeatable'
  },
  'named-server-config': {
    shape: 'value',
    kind: file,
    needs: 'listener',
    reference: true,
    help: 'a JSON file with the named servers; `--named-server` is ignored then; SIGHUP reads it again'
  },
  watch: {
    shape: 'switch',
    sets: 'watch',
    needs: 'listener',
    help: 'read the config file, the token file, the certificate and its key again when one of them changes, as SIGHUP does'
  },
  shared: {
    shape: 'switch',
    sets: 'shared',
    needs: 'listener',
    help: 'all sessions share one process of each server; otherwise each session has its own'
  },
  prewarm: {
    shape: 'value',
    kind: count,
    default: 0,
    sets: 'prewarm',
    needs: 'process',
    help: 'how many processes of each server to start before a session needs them'
  }
} as const satisfies Flags
