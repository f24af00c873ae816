// Hides some tools, prompts and resources of a server from a client: the lists of the server come
// without them, and a request that names one gets the error for an unknown one.
//
// The server could read another name than the proxy, because JSON parsers differ. So a message that
// parsers may read in different ways is refused, as it is at a shared server (see
// routing-members.ts). A request with a name that is no string is refused too.

import type { Duplex } from 'node:stream'
import { ProxyError } from '../errors.ts'
import { OPEN_BRACE } from '../json/bytes.ts'
import { stringAt } from '../json/find-value.ts'
import { skipBlank } from '../json/walker.ts'
import type { Log } from '../log.ts'
import { idAt } from '../message/frame.ts'
import type { Frame } from '../message/frame.ts'
import { errorFrame } from '../message/refusal.ts'
import { answerTo } from '../message/response-to.ts'
import type { Id } from '../protocol/json-rpc.ts'
import { methods } from '../protocol/methods.ts'
import { paths } from '../protocol/paths.ts'
import type { Callback } from '../streams/callbacks.ts'
import { failAfterReading } from '../streams/fail-after-reading.ts'
import { OuterTransport } from '../streams/outer-transport.ts'
import { filterList } from './filter/list.ts'
import { Selector } from './filter/selection.ts'
import type { Kind, Selections } from './filter/selection.ts'
import { RoutingMembers } from './routing-members.ts'

export interface FilterOptions extends Selections {
  /** Gets what goes wrong. Default: nothing is logged. */
  log?: Log | undefined
}

/**
 * Returns a function that wraps the transport to a server, for one client. The new transport shows
 * the client only what the options select. It returns the transport itself if the options hide
 * nothing.
 */
export function filter({ log, ...selections }: FilterOptions): (server: Duplex) => Duplex {
  return filterBy(new Selector([selections]), log)
}

/** Works like `filter`, with a selector of more than one selection. */
export function filterBy(selector: Selector, log?: Log): (server: Duplex) => Duplex {
  if (!selector.hidesSome()) return (server) => server
  return (server) => new FilterTransport(server, selector, log)
}

/** Where a request names what it uses. */
interface Use {
  kind: Kind
  path: readonly string[]
}

/** A list of the server: where it is in the response, and which member names an element. */
interface List extends Use {
  member: readonly string[]
}

const lists = new Map<string | undefined, List>([
  [methods.listTools, { kind: 'tools', path: paths.tools, member: ['name'] }],
  [methods.listPrompts, { kind: 'prompts', path: paths.prompts, member: ['name'] }],
  [methods.listResources, { kind: 'resources', path: paths.resources, member: ['uri'] }],
  [methods.listTemplates, { kind: 'resources', path: paths.templates, member: ['uriTemplate'] }]
])

/** The requests that use one tool, prompt or resource, and where they name it. */
const uses = new Map<string | undefined, Use>([
  [methods.callTool, { kind: 'tools', path: paths.toolName }],
  [methods.getPrompt, { kind: 'prompts', path: paths.promptName }],
  [methods.readResource, { kind: 'resources', path: paths.uri }],
  [methods.subscribe, { kind: 'resources', path: paths.uri }]
])

/** What a message for the client calls one of each kind. */
const singular: Record<Kind, string> = { tools: 'tool', prompts: 'prompt', resources: 'resource' }

class FilterTransport extends OuterTransport {
  readonly #selector: Selector
  /** The requests in flight for lists of which something may be hidden. */
  readonly #lists = new Map<Id, List>()
  /** The callback of the client's last frame, until there is room for the next. */
  #held: Callback | undefined
  /** Whether the server has not taken the client's last frame. */
  #isWriting = false

  constructor(server: Duplex, selector: Selector, log: Log | undefined) {
    super({ log })
    this.#selector = selector
    this.attach(server)
  }

  protected override send(frame: Frame, callback: Callback): void {
    const members = new RoutingMembers(frame)
    if (members.fault !== undefined) return this.#answer(members.refusal(frame), callback)
    const unknown = this.#unknownIn(frame)
    if (unknown === undefined) {
      this.#note(frame)
      this.#write(this.#withoutHidden(frame), callback)
    } else if (frame.kind === 'request') {
      const error = new ProxyError('ERR_PARAMS', unknown)
      this.#answer(answerTo(frame, errorFrame(0, error)), callback)
    } else callback()
  }

  /** Responds to the client. A client that does not read cannot send more. */
  #answer(response: Frame, callback: Callback): void {
    this.#held = callback
    if (this.push(response)) this.#release()
  }

  override _read(): void {
    super._read()
    if (!this.#isWriting) this.#release()
  }

  readonly #release = (): void => {
    const callback = this.#held
    this.#held = undefined
    callback?.()
  }

  /** Returns the error text for a request that uses what is hidden. */
  #unknownIn(frame: Frame): string | undefined {
    const use = uses.get(frame.method) ?? completed(frame)
    if (use === undefined || !this.#selector.hidesSome(use.kind)) return undefined
    const { kind, path } = use
    const name = stringAt(frame.bytes, path)
    if (name !== undefined && this.#selector.shows(kind, name)) return undefined
    return `unknown ${singular[kind]}${name === undefined ? '' : `: ${name}`}`
  }

  #note(frame: Frame): void {
    if (frame.kind === 'request') {
      const list = lists.get(frame.method)
      if (list !== undefined && this.#selector.hidesSome(list.kind)) {
        this.#lists.set(frame.id as Id, list)
      }
    } else if (frame.method === methods.cancelled) {
      const id = idAt(frame, paths.cancelledId)
      if (id !== undefined) this.#lists.delete(id)
    }
  }

  /** Returns a subscription of the modern revision without the resources that are hidden. */
  #withoutHidden(frame: Frame): Frame {
    if (frame.method !== methods.listen || !this.#selector.hidesSome('resources')) return frame
    return filterList(frame, paths.listenedResources, (element) => {
      const uri: unknown = JSON.parse(element.toString())
      return typeof uri === 'string' && this.#selector.shows('resources', uri)
    })
  }

  #write(frame: Frame, callback: Callback): void {
    if (this.inner === undefined) return callback()
    this.#held = callback
    this.#isWriting = true
    this.inner.write(frame, this.#innerOnTaken)
  }

  // After an error the inner transport closes.
  readonly #innerOnTaken = (error?: Error | null): void => {
    if (error) return
    this.#isWriting = false
    this.#release()
  }

  protected override innerOnFrame(frame: Frame): void {
    if (frame.kind === 'response') return this.pass(this.#shown(frame))
    if (frame.method === methods.resourceUpdated && this.#selector.hidesSome('resources')) {
      const uri = stringAt(frame.bytes, paths.uri)
      if (uri === undefined || !this.#selector.shows('resources', uri)) return
    }
    this.pass(frame)
  }

  /** Returns the response to a request for a list without what is hidden. */
  #shown(frame: Frame): Frame {
    const list = this.#lists.get(frame.id as Id)
    if (list === undefined) return frame
    this.#lists.delete(frame.id as Id)
    const { kind, path, member } = list
    return filterList(frame, path, (element) => {
      if (element[skipBlank(element, 0)] !== OPEN_BRACE) return false
      const name = stringAt(element, member)
      return name !== undefined && this.#selector.shows(kind, name)
    })
  }

  protected override innerOnClose(error: Error | undefined): void {
    this.#release()
    if (error === undefined) this.push(null)
    else failAfterReading(this, error)
  }

  override _final(callback: Callback): void {
    this.inner?.end()
    callback()
  }
}

/** What a request for completions completes: an argument of a prompt, or of a resource template. */
function completed({ method, bytes }: Frame): Use | undefined {
  if (method !== methods.complete) return undefined
  if (stringAt(bytes, paths.completedType) === 'ref/prompt') {
    return { kind: 'prompts', path: paths.completedPrompt }
  }
  return { kind: 'resources', path: paths.completedResource }
}
