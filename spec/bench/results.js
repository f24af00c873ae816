// The results of one measurement: label of a row → name of a proxy → one number for each round.

/** Adds the number of one round to the results. */
export function addResult(results, label, name, number) {
  if (!results.has(label)) results.set(label, new Map())
  const row = results.get(label)
  if (!row.has(name)) row.set(name, [])
  row.get(name).push(number)
}
