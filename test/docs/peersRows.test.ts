import { existsSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { peerMethods } from '../oracles/peersPage.js'
import { peersTable } from '../oracles/peersTable.js'
import { repositoryRoot } from '../oracles/repository.js'

test('every method of the registries says what it was held against, and nothing else does', t => {
  t.deepEqual(Object.keys(peersTable).toSorted(), [...peerMethods].toSorted())
  for (const name of peerMethods) t.true(peersTable[name]!.length > 0, name)
})

test('every test that is named exists, and no distance is above the bound', t => {
  for (const [name, rows] of Object.entries(peersTable))
    for (const { test: file, distance } of rows) {
      t.true(existsSync(join(repositoryRoot, 'test', file)), `${name}: ${file}`)
      if (distance !== undefined) t.true(Number(distance) <= 1e-3, `${name}: ${distance}`)
    }
})
