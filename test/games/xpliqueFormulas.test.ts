import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { coalitionOf } from '#lib/games/coalition.js'
import { hsicScores } from '#lib/games/samplers/hsic.js'
import { sobolIndex } from '#lib/games/samplers/sobolIndices.js'
import { atOnce } from '#lib/games/sliced.js'
import { sobolPoint } from '#lib/games/sobolSequence.js'
import { repositoryRoot } from '../oracles/repository.js'

/** From Xplique's formulas in numpy, not from Xplique: see test/oracles/xplique_formulas.py. */
const recorded = async () =>
  JSON.parse(await readFile(join(repositoryRoot, 'test/oracles/xplique_formulas.json'), 'utf8'))

test("the Sobol sequence is PyTorch's, number by number", async t => {
  const { sobol } = await recorded()
  const points: number[][] = sobol.points
  t.is(points.length, 8)
  for (const [at, point] of points.entries()) t.deepEqual([...sobolPoint(at, point.length)], point)
})

test("total indices are those of Xplique's formulas", async t => {
  const { sobol } = await recorded()
  for (const estimator of ['jansen', 'homma', 'saltelli', 'glen'] as const)
    for (const [at, mixed] of (sobol.mixed as number[][]).entries()) {
      const found = sobolIndex(estimator, sobol.base, mixed)
      t.true(Math.abs(found - sobol[estimator][at]) < 1e-12, `${estimator} ${at}: ${found}`)
    }
})

test("HSIC is that of Xplique's matrices", async t => {
  const { hsic } = await recorded()
  const masks: number[][] = hsic.masks
  const sets = masks.map(mask =>
    coalitionOf(
      mask.length,
      mask.flatMap((kept, player) => (kept === 1 ? [player] : [])),
    ),
  )
  const { scores, width } = atOnce(hsicScores(masks[0]!.length, sets, hsic.values))
  t.true(Math.abs(width - Math.abs(hsic.width)) < 1e-12)
  for (const [at, score] of scores.entries())
    t.true(Math.abs(score - hsic.scores[at]) < 1e-9, `${at}: ${score}`)
})
