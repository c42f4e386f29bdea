import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { completenessPage } from '../oracles/completenessPage.js'
import { contextPage } from '../oracles/contextPage.js'
import { errorsPage } from '../oracles/errorsPage.js'
import { knownTruthPage } from '../oracles/knownTruthPage.js'
import { methodsPage } from '../oracles/methodsPage.js'
import { metricsPage } from '../oracles/metricsPage.js'
import { operatorsPage } from '../oracles/operatorsPage.js'
import { peersPage } from '../oracles/peersPage.js'
import { repositoryRoot } from '../oracles/repository.js'

for (const [name, page] of [
  ['completeness.md', completenessPage],
  ['context.md', contextPage],
  ['errors.md', errorsPage],
  ['known-truth.md', knownTruthPage],
  ['methods.md', methodsPage],
  ['metrics.md', metricsPage],
  ['operators.md', operatorsPage],
  ['peers.md', peersPage],
] as const)
  test(`docs/${name} is what the code says (node scripts/docs.js writes it)`, async t => {
    t.is(await readFile(join(repositoryRoot, 'docs', name), 'utf8'), await page())
  })
