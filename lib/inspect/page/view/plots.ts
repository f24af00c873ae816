// The two plots: messages a second, and response times. They show what the list shows. A person selects
// a time in a plot, and the list then shows that time.

import { Component } from 'preact'
import type { VNode } from 'preact'
import uPlot from 'uplot'
import { clock, duration } from '../model/format.ts'
import { seriesOf } from '../model/series.ts'
import type { Series } from '../model/series.ts'
import { html } from './html.ts'
import type { Page } from './page.ts'

/** The time between two drawings, in ms. */
const interval = 500
/** How much time the plots of live traffic show, in ms. */
const liveSpan = 5 * 60_000
const height = 96

export class Plots extends Component<{ page: Page }> {
  #rateBox: HTMLElement | null = null
  #tookBox: HTMLElement | null = null
  #plots: uPlot[] = []
  #timer = 0
  #observer: ResizeObserver | undefined
  #drawn = ''
  #series: Series | undefined

  override componentDidMount(): void {
    this.#make()
    this.#timer = setInterval(() => this.#update(), interval)
    this.#observer = new ResizeObserver(() => this.#resize())
    this.#observer.observe(this.#rateBox as HTMLElement)
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', this.#make)
  }

  override componentWillUnmount(): void {
    clearInterval(this.#timer)
    this.#observer?.disconnect()
    matchMedia('(prefers-color-scheme: dark)').removeEventListener('change', this.#make)
  }

  /** The plots change what they show by themselves. */
  override shouldComponentUpdate(): boolean {
    return false
  }

  #make = (): void => {
    for (const plot of this.#plots) plot.destroy()
    const rate = this.#rateBox as HTMLElement
    const took = this.#tookBox as HTMLElement
    const { muted, line, accent, bad, server } = colors()
    const grid = { stroke: line, width: 1 }
    const axis: uPlot.Axis = { stroke: muted, grid, ticks: { show: false }, font: axisFont }
    const optionsFor = (
      box: HTMLElement,
      series: uPlot.Series[],
      scale: uPlot.Scale,
      format: (value: number) => string,
      splits?: (plot: uPlot, axis: number, min: number, max: number) => number[]
    ): uPlot.Options => ({
      width: box.clientWidth,
      height,
      legend: { show: false },
      padding: [6, 4, 0, 0],
      cursor: {
        y: false,
        points: { size: 5 },
        drag: { x: true, y: false, setScale: false },
        sync: { key: 'time' }
      },
      scales: { x: { time: true }, y: scale },
      axes: [
        {
          ...axis,
          size: 20,
          space: 90,
          values: clockOf
        },
        {
          ...axis,
          size: 52,
          space: 30,
          ...(splits && { splits }),
          values: (_plot, values) => values.map((value) => (value === null ? '' : format(value)))
        }
      ],
      series: [{}, ...series],
      hooks: {
        setSelect: [(plot) => this.#onSelect(plot)],
        setCursor: [(plot) => this.#onCursor(plot)]
      }
    })
    const filled = (stroke: string): Partial<uPlot.Series> => ({
      stroke,
      fill: `${stroke}26`,
      width: 1.5,
      points: { show: false }
    })
    this.#plots = [
      new uPlot(
        optionsFor(
          rate,
          [filled(accent), filled(bad)],
          { range: (_plot, _min, max) => [0, Math.max(1, max * 1.1)] },
          String
        ),
        [[], [], []],
        rate
      ),
      new uPlot(
        optionsFor(
          took,
          [
            {
              stroke: server,
              width: 1.5,
              points: { show: true, size: 4, fill: server },
              spanGaps: true
            },
            { stroke: muted, width: 1, dash: [3, 3], points: { show: false }, spanGaps: true }
          ],
          // 3 is `Distr.Logarithmic`, an enum that has no value when the page runs.
          // eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment -- the enum has no value at run time
          { distr: 3, range: (_plot, min, max) => logRange(min, max) },
          (value) => duration(value).replace(/\.0+(?= )/, ''),
          (_plot, _axis, min, max) => powersOfTen(min, max)
        ),
        [[], [], []],
        took
      )
    ]
    this.#drawn = ''
    this.#update()
  }

  #update(): void {
    const { store, hello } = this.props.page
    const { shown } = store
    const isLive = hello?.file === undefined && this.props.page.range === undefined
    // Live plots move on, also without traffic.
    const end = isLive ? Date.now() : (shown.at(-1)?.time ?? Date.now())
    const state = `${shown.length} ${shown.at(-1)?.seq} ${shown[0]?.seq} ${isLive ? Math.floor(end / 1000) : ''}`
    if (document.hidden || state === this.#drawn) return
    this.#drawn = state
    const series = seriesOf(shown, end, isLive ? liveSpan : Infinity)
    this.#series = series
    const { times, rate, errors, median, high } = series
    // Without an error there is no red line.
    this.#plots[0]?.setData([times, rate, errors.map((value) => value || null)])
    this.#plots[1]?.setData([times, median.map(positive), high.map(positive)])
    this.#setLabels(times.length - 1)
  }

  #resize(): void {
    for (const [index, box] of [this.#rateBox, this.#tookBox].entries()) {
      this.#plots[index]?.setSize({ width: (box as HTMLElement).clientWidth, height })
    }
  }

  #onSelect(plot: uPlot): void {
    const { left, width } = plot.select
    if (width < 4) return
    const { page } = this.props
    page.range = [plot.posToVal(left, 'x') * 1000, plot.posToVal(left + width, 'x') * 1000]
    page.follow = false
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
    page.applyFilter()
  }

  #onCursor(plot: uPlot): void {
    this.#setLabels(plot.cursor.idx ?? (this.#series?.times.length ?? 0) - 1)
  }

  /** The values at the pointer, or the newest. */
  #setLabels(index: number): void {
    const series = this.#series
    if (series === undefined) return
    const rate = series.rate[index] ?? 0
    const errors = series.errors[index] ?? 0
    const median = series.median[index]
    const high = series.high[index]
    set('rate-now', `${short(rate)} messages/s${errors > 0 ? ` · ${short(errors)} errors/s` : ''}`)
    set(
      'took-now',
      median === null || median === undefined
        ? '–'
        : `median ${duration(median)} · p99 ${duration(high ?? median)}`
    )
  }

  override render(): VNode {
    return html`<div class="plots">
      <figure aria-label="Messages a second">
        <figcaption>Throughput <span class="muted" id="rate-now"></span></figcaption>
        <div class="plot" ref=${(box: HTMLElement | null) => (this.#rateBox = box)}></div>
      </figure>
      <figure aria-label="Response times">
        <figcaption>Latency <span class="muted" id="took-now"></span></figcaption>
        <div class="plot" ref=${(box: HTMLElement | null) => (this.#tookBox = box)}></div>
      </figure>
    </div>`
  }
}

const axisFont = '11px Inter, ui-sans-serif, system-ui, sans-serif'

function set(id: string, text: string): void {
  const element = document.getElementById(id)
  if (element !== null) element.textContent = text
}

const short = (value: number): string => (value >= 10 ? value.toFixed(0) : value.toFixed(1))

/** A logarithm needs numbers over 0. A recording has whole milliseconds only. */
const positive = (value: number | null): number | null =>
  value === null ? null : Math.max(value, 0.05)

/** Whole powers of ten, so the axis has labels. */
function logRange(min: number | null, max: number | null): [number, number] {
  if (min === null || max === null) return [1, 100]
  const low = 10 ** Math.floor(Math.log10(min))
  const high = 10 ** Math.ceil(Math.log10(max))
  return [low, high > low ? high : low * 10]
}

/** At most four labels fit. */
function powersOfTen(min: number, max: number): number[] {
  const [low, high] = [Math.round(Math.log10(min)), Math.round(Math.log10(max))]
  const step = high - low > 3 ? 2 : 1
  const count = Math.floor((high - low) / step) + 1
  return Array.from({ length: count }, (_, index) => 10 ** (low + index * step))
}

/** Labels of the time axis. Short spans need seconds. */
function clockOf(_plot: uPlot, values: number[]): string[] {
  const [first = 0, second = first + 1] = values
  const step = second - first
  const length = step < 1 ? 12 : step < 60 ? 8 : 5
  return values.map((value) => clock(value * 1000).slice(0, length))
}

function colors(): Record<'muted' | 'line' | 'accent' | 'bad' | 'server', string> {
  const style = getComputedStyle(document.documentElement)
  const get = (name: string): string => style.getPropertyValue(`--${name}`).trim()
  return {
    muted: get('muted'),
    line: get('line'),
    accent: get('client'),
    bad: get('bad'),
    server: get('server')
  }
}
