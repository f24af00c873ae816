// Replaces the placeholders in a text of the config file by variables of the proxy's environment:
// ${VAR} and ${VAR:-default} as Claude Code does, ${env:VAR} as VS Code and Cursor do. As in Claude
// Code, the default counts only if the variable is not set, so an empty variable gives an empty
// text.
//
// A placeholder that only an editor can replace is a fault. A variable that is not set is a fault,
// too: the server would get the text of the placeholder instead of a token. Other text with ${
// stays as it is, because shell scripts in `args` have it: ${file%.*}.

const placeholder = /\$\{([^}]*)\}/g
const variable = /^(?:env:)?([A-Za-z_]\w*)(?::-([^]*))?$/
/** Windows has variables such as `ProgramFiles(x86)`. */
const otherVariable = /^env:([^:]+)$/

/** @param onFault is called for each fault, with a message that has no value of any variable */
export function expand(
  text: string,
  env: NodeJS.ProcessEnv,
  onFault: (message: string) => void
): string {
  return text.replace(placeholder, (whole, body: string) => {
    const refused = refusalOf(body)
    const [, name, byDefault] = variable.exec(body) ?? otherVariable.exec(body) ?? []
    if (refused !== undefined) onFault(`${whole} ${refused}`)
    else if (name === undefined) return whole
    else if (byDefault?.includes('${')) onFault(`the default of ${name} cannot have a placeholder`)
    else {
      const value = env[name] ?? byDefault
      if (value !== undefined) return value
      onFault(`the variable ${name} is not set: set it, or write \${${name}:-default}`)
    }
    return ''
  })
}

function refusalOf(body: string): string | undefined {
  const [, id] = /^input:(.+)$/.exec(body) ?? []
  if (id !== undefined) {
    const name = id.replace(/\W/g, '_').toUpperCase()
    return `is a question of an editor: write \${${name}} and set the variable ${name}`
  }
  if (/^(?:input|command|config):/.test(body)) return onlyEditor('the value, or ${VARIABLE}')
  if (body === 'userHome') return onlyEditor('${HOME}, or on Windows ${USERPROFILE}')
  if (/^(?:\/|pathSeparator)$/.test(body)) return onlyEditor('/ or \\')
  return body.startsWith('workspaceFolder') ? onlyEditor('the path of the folder') : undefined
}

const onlyEditor = (advice: string): string => `has a value only in an editor: write ${advice}`
