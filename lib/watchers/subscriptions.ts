// Subscribes to the facts of this process (see streams/facts.ts).

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import {
  messageChannel,
  processChannel,
  refusalChannel,
  restartChannel,
  sessionChannel
} from '../streams/facts.ts'
import type {
  MessageFact,
  ProcessFact,
  RefusalFact,
  RestartFact,
  SessionFact
} from '../streams/facts.ts'

export interface Listeners {
  session?: (fact: SessionFact) => void
  message?: (fact: MessageFact) => void
  refusal?: (fact: RefusalFact) => void
  process?: (fact: ProcessFact) => void
  restart?: (fact: RestartFact) => void
}

type Name = keyof Listeners
type Listener = (fact: unknown) => void

const channels = {
  session: sessionChannel,
  message: messageChannel,
  refusal: refusalChannel,
  process: processChannel,
  restart: restartChannel
}

/**
 * Calls the listeners with each fact. Everything may publish on a channel, and an exception of a
 * subscriber would end the process. So `onError` gets what a listener throws.
 *
 * @returns a function that ends the subscriptions
 */
export function subscribeTo(listeners: Listeners, onError: (error: unknown) => void): () => void {
  const ends: (() => void)[] = []
  for (const [name, listener] of Object.entries(listeners) as [Name, Listener][]) {
    const guarded = (fact: unknown): void => {
      try {
        listener(fact)
      } catch (error) {
        onError(error)
      }
    }
    const channel = channels[name].name
    subscribe(channel, guarded)
    ends.push(() => unsubscribe(channel, guarded))
  }
  return () => {
    for (const end of ends) end()
  }
}
