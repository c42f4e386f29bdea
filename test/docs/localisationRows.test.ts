import test from 'ava'
import { methods } from '#lib/methods/registry.js'
import { measuredMethods, withoutRow } from '../../bench/localisation/rows.js'
import { localisationResults } from '../oracles/knownTruthPage.js'

test('every method of the registry has a row in the table of known truth, or a reason why not', t => {
  const { rows } = localisationResults()
  const recorded = new Set(rows.map(({ model, method }) => `${model}: ${method}`))
  for (const { name } of methods) {
    const own = measuredMethods.filter(({ entry }) => entry === name)
    t.is(own.length === 0, withoutRow[name] !== undefined, name)
    for (const { label, models } of own)
      for (const model of models) t.true(recorded.has(`${model}: ${label}`), `${model}: ${label}`)
  }
})

test('nothing in that table is stale: rows belong to methods, reasons to entries of the registry', t => {
  const { rows } = localisationResults()
  const expected = new Set(
    measuredMethods.flatMap(({ label, models }) => models.map(model => `${model}: ${label}`)),
  )
  for (const { model, method, isNull } of rows)
    t.true(isNull || expected.has(`${model}: ${method}`), `${model}: ${method}`)
  const names = new Set(methods.map(({ name }) => name))
  for (const name of Object.keys(withoutRow)) t.true(names.has(name), name)
  for (const model of ['sound', 'shortcut', 'transformer'] as const)
    t.true(rows.filter(row => row.model === model && row.isNull).length >= 5)
})
