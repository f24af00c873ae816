// The POSTs of a session whose requests have no response yet. The table finds the POST for a
// message of the server in constant time, because a session may have many calls in flight.
//
// The tables hold numbers of POSTs and not the POSTs, because a table of objects that come and go can
// make the garbage collector keep the objects (see streams/slots.ts).

import { IdTable } from '../../message/id-table.ts'
import type { Id } from '../../protocol/json-rpc.ts'
import { LatestSet } from '../../streams/latest-set.ts'
import { Slots } from '../../streams/slots.ts'
import type { PostResponse } from '../post-response.ts'

export class OpenPosts {
  /** The POSTs by their numbers. */
  readonly #posts = new Slots<PostResponse>()
  /** The number of the POST of each request, by the id of the request. */
  readonly #byId = new IdTable<number>()
  /**
   * The number of the POST of each request that has a progress token, by the token. Made with the first
   * entry, because there may be many sessions without one.
   */
  #byToken: Map<Id, number> | undefined
  /** The POSTs with a connected client that can carry more than responses. */
  readonly #connected = new LatestSet<PostResponse>()
  /** The other POSTs with a connected client. */
  readonly #jsonOnly = new LatestSet<PostResponse>()
  /** The POSTs whose client has lost its connection, and may resume. */
  readonly #lost = new LatestSet<PostResponse>()

  /** How many requests have no response yet. */
  get size(): number {
    return this.#byId.size
  }

  /** A copy of the ids of the requests that have no response yet. */
  get ids(): Id[] {
    return this.#byId.ids
  }

  /** Whether a connected client waits for a response. */
  get isAwaited(): boolean {
    return this.#connected.size + this.#jsonOnly.size > 0
  }

  add(post: PostResponse): void {
    post.number = this.#posts.add(post)
    for (const id of post.ids) this.#byId.set(id, post.number)
    for (const token of post.tokens) (this.#byToken ??= new Map()).set(token, post.number)
    this.update(post)
  }

  /** Call this when the client of a POST has connected again, or has disconnected. */
  update(post: PostResponse): void {
    const isConnected = post.connected && !post.ended
    if (isConnected) (post.streams ? this.#connected : this.#jsonOnly).add(post)
    else if (post.streams && !post.ended) this.#lost.add(post)
    else post.set?.delete(post)
  }

  /** Removes a POST whose requests all have their responses, or can get none any more. */
  delete(post: PostResponse): void {
    const { number } = post
    this.#posts.delete(number)
    for (const id of post.ids) if (this.#byId.get(id) === number) this.#byId.delete(id)
    for (const token of post.tokens) {
      if (this.#byToken?.get(token) === number) this.#byToken.delete(token)
    }
    post.set?.delete(post)
  }

  /** Finds the POST of the request with this id. */
  withId(id: Id): PostResponse | undefined {
    const number = this.#byId.get(id)
    return number === undefined ? undefined : this.#posts.get(number)
  }

  /** Forgets a request that has its response. Its POST stays until all its requests have theirs. */
  forget(id: Id): void {
    this.#byId.delete(id)
  }

  /**
   * Finds the POST of the request with this progress token, if the POST can carry notifications.
   */
  withToken(token: Id): PostResponse | undefined {
    const number = this.#byToken?.get(token)
    const post = number === undefined ? undefined : this.#posts.get(number)
    return post?.streams === true ? post : undefined
  }

  /** The only POST whose client is connected. Undefined if there are none or several. */
  get only(): PostResponse | undefined {
    return this.#connected.size === 1 ? this.#connected.latest : undefined
  }

  /**
   * The latest POST whose client is connected. If there is none, the POST that lost its client
   * last. A client may resume such a POST.
   */
  get latest(): PostResponse | undefined {
    return this.#connected.latest ?? this.#lost.latest
  }
}
