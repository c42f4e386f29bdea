import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { completenessPage } from '../oracles/completenessPage.js'
import { contextPage } from '../oracles/contextPage.js'
import { errorsPage, methodsPage, operatorsPage } from '../oracles/docPages.js'
import { metricsPage } from '../oracles/metricsPage.js'
import { repositoryRoot } from '../oracles/repository.js'

for (const [name, page] of [
  ['completeness.md', completenessPage],
  ['context.md', contextPage],
  ['errors.md', errorsPage],
  ['methods.md', methodsPage],
  ['metrics.md', metricsPage],
  ['operators.md', operatorsPage],
] as const)
  test(`docs/${name} is what the code says (node scripts/docs.js writes it)`, async t => {
    t.is(await readFile(join(repositoryRoot, 'docs', name), 'utf8'), await page())
  })
