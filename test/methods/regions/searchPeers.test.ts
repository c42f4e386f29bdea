import test, { type ExecutionContext } from 'ava'
import { createTensor, Lima, type RegionSearch, Smdl } from '#lib/index.js'
import { relativeDistance } from '../../oracles/gradientOf.js'
import { loadPeerModel, readPeers } from '../../oracles/recordedPeers.js'

/** Searches by the authors' code of LiMA and SMDL over 16 squares of a picture: record_searches.py, versions inside. */
type Saved = Record<string, number[]> & { org_score: number; baseline_score: number }
const { target, picture, searches } = readPeers<{
  target: number
  picture: number[]
  searches: Record<string, Saved>
}>('searches.json')

/** A pixel behind the other there, a channel behind the other here; black is -1. */
const input = createTensor(
  'f32',
  [1, 3, 12, 12],
  Float32Array.from({ length: 432 }, (_, at) => picture[3 * (at % 144) + Math.floor(at / 144)]! / 127.5 - 1),
)
const regions = { kind: 'grid', rows: 4 } as const
const features = { regions, features: 'features' } as const
const asked = { target, baseline: -1 }

function close(t: ExecutionContext, name: string, found: readonly number[], expected: readonly number[]) {
  t.is(found.length, expected.length, name)
  const distance = relativeDistance(found, expected)
  t.log(`${name} ${distance.toExponential(1)}`)
  t.true(distance <= 1e-5, `${name}: ${distance}`)
}

type Term = 'consistency' | 'collaboration' | 'confidence' | 'effectiveness' | 'total'
const curve = ({ result }: RegionSearch, term: Term) => result.prefixes.map(scores => scores![term])

for (const [key, options] of Object.entries({
  lima: { regions, pending: 4 },
  'lima features': { ...features, pending: 4, effectiveness: 2 },
}))
  test(`${key}: the order and the curves are those of the authors' code`, async t => {
    const saved = searches[key]!
    const lima = new Lima(await loadPeerModel('parts'), options)
    const search = await lima.search(input, asked)
    t.deepEqual([...search.order], saved.order)
    t.is(search.result.nearTies, 0)
    close(t, 'consistency', curve(search, 'consistency'), saved.consistency_score!)
    close(t, 'collaboration', curve(search, 'collaboration'), saved.collaboration_score!)
    const chosen = saved.smdl_score!.length
    for (const term of ['confidence', 'effectiveness'] as const)
      if (saved[`${term}_score_increase`] !== undefined)
        close(t, term, curve(search, term).slice(0, chosen), saved[`${term}_score_increase`]!)
    close(t, 'the set function', curve(search, 'total').slice(0, chosen), saved.smdl_score!)
    const { original, baseline } = search.result
    close(t, 'the ends', [original, baseline], [saved.org_score, saved.baseline_score])
    const map = (await lima.attribute(input, asked)).scores().data as Float32Array
    const ofSquares = saved.order!.map((_, at) => map[36 * Math.floor(at / 4) + 3 * (at % 4)]!)
    close(t, 'the map', ofSquares, saved.map!)
  })

test('the effectiveness of features changes the order', t => {
  t.notDeepEqual(searches.lima!.order, searches['lima features']!.order)
})

for (const [key, options] of Object.entries({
  'smdl entropy': features,
  smdl: { ...features, evidence: 'evidence' },
}))
  test(`${key}: the order and the terms are those of the authors' code`, async t => {
    const saved = searches[key]!
    const search = await new Smdl(await loadPeerModel('parts'), options).search(input, asked)
    t.deepEqual([...search.order], saved.order)
    t.is(search.result.nearTies, 0)
    for (const term of ['consistency', 'collaboration', 'confidence'] as const)
      close(t, term, curve(search, term), saved[`${term}_score`]!)
    // One region alone has 0, and in the code with evidence 1, which is the same for all of them.
    const alone = key === 'smdl' ? 1 : 0
    const [first, ...others] = saved.effectiveness_score!
    t.true(Math.abs(first! - alone) < 1e-3)
    close(t, 'effectiveness', curve(search, 'effectiveness'), [0, ...others])
    const totals = saved.smdl_score!.map((value, at) => (at === 0 ? value - first! : value))
    close(t, 'the set function', curve(search, 'total'), totals)
  })
