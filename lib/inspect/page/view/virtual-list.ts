// A list that has elements for the visible rows only, so a hundred thousand rows cost as much as fifty.

import { Component } from 'preact'
import type { ComponentChild, VNode } from 'preact'
import { html } from './html.ts'

export interface VirtualListProps {
  count: number
  rowHeight: number
  row: (index: number) => ComponentChild
  /** How many rows at the start are gone since the last time. */
  removed?: number
  /** Whether the list stays at its end. */
  follow?: boolean
  /** Called when the person scrolls, with whether the end is visible. */
  onScroll?: (isAtEnd: boolean) => void
  /** The row that must be visible. It is looked at when it changes. */
  show?: number | undefined
  attributes: Record<string, unknown>
}

interface State {
  top: number
  height: number
}

/** How many rows beside the visible ones have elements. */
const overscan = 12

export class VirtualList extends Component<VirtualListProps, State> {
  override state: State = { top: 0, height: 800 }
  #element: HTMLElement | null = null
  #observer: ResizeObserver | undefined
  /** Where the list has put itself: this scroll is none of the person. */
  #ownTop = -1

  override componentDidMount(): void {
    const element = this.#element as HTMLElement
    this.#observer = new ResizeObserver(() => this.setState({ height: element.clientHeight }))
    this.#observer.observe(element)
    this.#place()
  }

  override componentDidUpdate(before: VirtualListProps): void {
    this.#place(before.show)
  }

  override componentWillUnmount(): void {
    this.#observer?.disconnect()
  }

  #place(shownBefore?: number): void {
    const element = this.#element as HTMLElement
    const { follow, removed = 0, rowHeight, show, count } = this.props
    if (follow) this.#scrollTo(count * rowHeight - element.clientHeight)
    else if (removed > 0) this.#scrollTo(element.scrollTop - removed * rowHeight)
    if (show === undefined || show === shownBefore || follow) return
    const top = show * rowHeight
    if (top < element.scrollTop) this.#scrollTo(top)
    else if (top + rowHeight > element.scrollTop + element.clientHeight) {
      this.#scrollTo(top + rowHeight - element.clientHeight)
    }
  }

  #scrollTo(wanted: number): void {
    const element = this.#element as HTMLElement
    const top = Math.max(0, Math.ceil(wanted))
    if (Math.abs(element.scrollTop - top) < 1) return
    element.scrollTop = top
    this.#ownTop = element.scrollTop
    this.setState({ top: element.scrollTop })
  }

  #onScroll = (): void => {
    const element = this.#element as HTMLElement
    const { scrollTop: top, clientHeight } = element
    if (top !== this.state.top) this.setState({ top })
    if (Math.abs(top - this.#ownTop) < 2) return
    this.#ownTop = -1
    const { count, rowHeight, onScroll } = this.props
    onScroll?.(top + clientHeight >= count * rowHeight - rowHeight)
  }

  override render(
    { count, rowHeight, row, attributes }: VirtualListProps,
    { top, height }: State
  ): VNode {
    const first = Math.max(0, Math.min(Math.floor(top / rowHeight) - overscan, count - 1))
    const last = Math.min(count, Math.ceil((top + height) / rowHeight) + overscan)
    const rows: ComponentChild[] = []
    for (let index = first; index < last; index++) rows.push(row(index))
    return html`<div
      ...${attributes}
      ref=${(element: HTMLElement | null) => (this.#element = element)}
      onScroll=${this.#onScroll}
    >
      <div class="spacer" style=${{ height: `${count * rowHeight}px` }}>
        <div class="window" style=${{ transform: `translateY(${first * rowHeight}px)` }}>
          ${rows}
        </div>
      </div>
    </div>`
  }
}
