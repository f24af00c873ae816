// Opens a URL in the browser of the user, without a shell: the URL comes from a server, and a shell
// would run commands in it (CVE-2025-6514).

import { spawn } from 'node:child_process'
import { tell } from '../../../tell.ts'

/**
 * Starts the browser and does not wait for it. If there is no browser, nothing happens, because the
 * user also sees the URL.
 *
 * @param env `BROWSER` names a command to use; on Linux there is no browser without a display
 */
export function openBrowser(
  url: URL,
  platform: NodeJS.Platform = process.platform,
  env: NodeJS.ProcessEnv = process.env
): void {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return
  const [command, ...args] = browserCommand(platform, env)
  if (command === undefined) return
  const child = spawn(command, [...args, url.href], {
    detached: true,
    stdio: 'ignore',
    shell: false
  })
  child.on('error', () => {}) // the user opens the URL instead
  child.unref()
}

/** Returns the command without the URL. It is empty if there is no browser. */
export function browserCommand(platform: NodeJS.Platform, env: NodeJS.ProcessEnv): string[] {
  if (env.BROWSER !== undefined && env.BROWSER !== '') return [env.BROWSER]
  if (platform === 'darwin') return ['open']
  if (platform === 'win32') return ['rundll32', 'url.dll,FileProtocolHandler']
  const hasDisplay = env.DISPLAY !== undefined || env.WAYLAND_DISPLAY !== undefined
  return hasDisplay ? ['xdg-open'] : []
}

/** Whether this machine has a browser for the person. */
export const canOpenBrowser = (): boolean =>
  browserCommand(process.platform, process.env).length > 0

/** Prints the URL of the sign-in to stderr, and opens it in the browser if `opens` is true. */
export function showUrl(url: URL, code: string | undefined, opens: boolean): void {
  const enter = code === undefined ? '' : ` and enter the code ${code}`
  tell(`to sign in, open ${url.href}${enter}`)
  if (opens) openBrowser(url)
}
