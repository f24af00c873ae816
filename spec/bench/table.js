// Prints the results of a measurement as a table: a row for each label, a column for each proxy, and
// after each row the goals that it has to meet.

import { goalsOf } from './goals.js'
import { median, medianRatio } from './statistics.js'

const columnWidth = 20

/**
 * Returns { ratios, missed }: the ratios by `title: label: name`, and whether the check must fail.
 * @param results label → name → one number for each round. The first name of a row is its baseline.
 */
export function printTable(title, results) {
  const ratios = {}
  let missed = false
  const names = [...new Set([...results.values()].flatMap((row) => [...row.keys()]))]
  const labelWidth = Math.max(...[...results.keys()].map((label) => label.length)) + 2
  console.log(`\n${title}`)
  console.log(''.padEnd(labelWidth) + names.map((name) => name.padStart(columnWidth)).join(''))
  for (const [label, row] of results) {
    const [baseline] = row.values()
    const cells = names.map((name) => {
      const numbers = row.get(name)
      if (numbers === undefined || Number.isNaN(numbers[0])) return '–'.padStart(columnWidth)
      let ratioText = ''
      if (numbers !== baseline) {
        const ratio = medianRatio(numbers, baseline)
        ratios[`${title}: ${label}: ${name}`] = Number(ratio.toFixed(3))
        ratioText = `(${ratio.toFixed(2)})`
      }
      return `${format(median(numbers))} ${ratioText.padStart(7)}`.padStart(columnWidth)
    })
    const goals = goalsOf(title, label, row, baseline).map(({ text, met, passes }) => {
      if (!passes) missed = true
      return `   ${met ? 'met' : 'MISSED'}: ${text}`
    })
    console.log(label.padEnd(labelWidth) + cells.join('') + goals.join(''))
  }
  return { ratios, missed }
}

const format = (number) =>
  number.toLocaleString('en', { maximumFractionDigits: number < 10 ? 2 : number < 100 ? 1 : 0 })
