#!/usr/bin/env node
// Writes the pages of docs/ that follow from the code: docs/completeness.md, docs/context.md, docs/errors.md, docs/known-truth.md, docs/methods.md, docs/metrics.md, docs/operators.md and docs/peers.md. A test holds them current.
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { completenessPage } from '../build/ts/test/oracles/completenessPage.js'
import { contextPage } from '../build/ts/test/oracles/contextPage.js'
import { errorsPage } from '../build/ts/test/oracles/errorsPage.js'
import { knownTruthPage } from '../build/ts/test/oracles/knownTruthPage.js'
import { methodsPage } from '../build/ts/test/oracles/methodsPage.js'
import { metricsPage } from '../build/ts/test/oracles/metricsPage.js'
import { operatorsPage } from '../build/ts/test/oracles/operatorsPage.js'
import { peersPage } from '../build/ts/test/oracles/peersPage.js'

const docs = path.join(path.dirname(path.dirname(fileURLToPath(import.meta.url))), 'docs')
writeFileSync(path.join(docs, 'completeness.md'), completenessPage())
writeFileSync(path.join(docs, 'context.md'), contextPage())
writeFileSync(path.join(docs, 'errors.md'), errorsPage())
writeFileSync(path.join(docs, 'known-truth.md'), knownTruthPage())
writeFileSync(path.join(docs, 'methods.md'), methodsPage())
writeFileSync(path.join(docs, 'metrics.md'), metricsPage())
writeFileSync(path.join(docs, 'operators.md'), await operatorsPage())
writeFileSync(path.join(docs, 'peers.md'), peersPage())
