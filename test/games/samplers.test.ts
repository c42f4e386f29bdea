import test, { type ExecutionContext } from 'ava'
import { coalitionOf, isMember } from '#lib/games/coalition.js'
import { LeastSquares } from '#lib/games/leastSquares.js'
import { play } from '#lib/games/play.js'
import { RandomStream } from '#lib/games/randomStream.js'
import { ExactShapleyPlayer } from '#lib/games/samplers/exactShapley.js'
import { hsicScores } from '#lib/games/samplers/hsic.js'
import { KernelShapPlayer } from '#lib/games/samplers/kernelShap.js'
import { LeaveOneOutPlayer } from '#lib/games/samplers/leaveOneOut.js'
import { LimePlayer, limeWeight } from '#lib/games/samplers/lime.js'
import { OwenPlayer } from '#lib/games/samplers/owen.js'
import { PermutationShapleyPlayer } from '#lib/games/samplers/permutationShapley.js'
import { RisePlayer } from '#lib/games/samplers/rise.js'
import type { SamplerResult } from '#lib/games/samplers/samplerResult.js'
import { sobolEstimators, sobolIndex } from '#lib/games/samplers/sobolIndices.js'
import { atOnce } from '#lib/games/sliced.js'
import { gameOf, numbered, sigmoidGame, sigmoidValue } from '../oracles/sigmoidGame.js'

function close(
  t: ExecutionContext,
  actual: ArrayLike<number>,
  expected: readonly number[],
  tolerance = 6e-10,
): void {
  t.is(actual.length, expected.length)
  for (const [at, value] of expected.entries())
    t.true(Math.abs(actual[at]! - value) <= tolerance, `${at}: ${actual[at]}, expected ${value}`)
}

const ones = (length: number) => new Float64Array(length).fill(1)
const moments = { own: ones(4), mixed: new Float64Array(4), baseline: new Float64Array(4) }
const shapley = [0.500018963, -0.145054527, 0.082950331, 0.188758951]

test('worked example: exact Shapley values, and their sum', async t => {
  const { result } = await play(sigmoidGame(), new ExactShapleyPlayer(4))
  close(t, result.scores, shapley)
  close(t, [result.empty!, result.full!], [0.231475217, 0.858148935])
  close(t, [result.scores.reduce((a, b) => a + b)], [0.626673719])
})

test('worked example: KernelSHAP enumerated, with a soft and with no constraint; exact equals Shapley', async t => {
  const player = (constraint: 'exact' | 'soft' | 'none') =>
    new KernelShapPlayer({ players: 4, samples: 800, constraint, paired: true, seed: 0 })
  const soft = (await play(sigmoidGame(), player('soft'))).result
  close(t, soft.scores, [0.500018958, -0.145054532, 0.082950327, 0.188758947])
  close(t, [soft.intercept!], [0.231475081])
  const none = (await play(sigmoidGame(), player('none'))).result
  close(t, none.scores, [0.480308236, -0.164765254, 0.063239605, 0.169048225])
  close(t, [none.intercept!], [0.16508172])
  const exact = await play(sigmoidGame(), player('exact'))
  close(t, exact.result.scores, shapley)
  t.is(exact.evaluations, 16)
  t.is(exact.ending, 'done')
})

test('worked example: occlusion', async t => {
  const { result } = await play(
    sigmoidGame(),
    new LeaveOneOutPlayer(4, 4, player => coalitionOf(4, [player])),
  )
  close(t, result.scores, [0.70368367, -0.084526889, 0.072313952, 0.407982932])
})

test('worked example: RISE over all 16 masks, by the masks and by what is expected', async t => {
  const rise = async (normalization: 'mask' | 'expected' | 'centred') => {
    const player = new RisePlayer({
      samples: 16,
      places: 4,
      keep: 0.5,
      normalization,
      draw: numbered,
      render: coalition => [0, 1, 2, 3].map(p => (isMember(coalition, p) ? 1 : 0)),
    })
    return (await play(sigmoidGame(), player)).result.scores
  }
  close(t, await rise('mask'), [0.692732842, 0.366794622, 0.489183914, 0.539123258])
  close(t, await rise('expected'), [0.692741501, 0.366799207, 0.489190029, 0.539129997])
  const mean = Array.from({ length: 16 }, (_, set) => sigmoidValue([0, 1, 2, 3].map(p => (set >>> p) & 1)))
  const less = mean.reduce((a, b) => a + b) / 16 / (1 + 1e-4 / 8)
  close(
    t,
    await rise('centred'),
    [0.692732842, 0.366794622, 0.489183914, 0.539123258].map(score => score - less),
  )
})

test('RISE: a constant value c gives c Σm / (Σm + 1e-4) and says so', async t => {
  const player = new RisePlayer({
    samples: 16,
    places: 4,
    keep: 0.5,
    normalization: 'mask',
    draw: numbered,
    render: coalition => [0, 1, 2, 3].map(p => (isMember(coalition, p) ? 1 : 0)),
  })
  const { result } = await play(
    gameOf(4, () => 3),
    player,
  )
  close(t, result.scores, new Array(4).fill((3 * 8) / (8 + 1e-4)), 1e-14)
  t.deepEqual(
    result.warnings.map(({ code }) => code),
    ['CONSTANT_SCORES'],
  )
})

const lime = (preset: 'xplique' | 'captum', penalty = preset === 'xplique' ? 2 : 0.01, samples = 16) =>
  new LimePlayer(
    {
      players: 4,
      samples,
      surrogate: preset === 'xplique' ? 'ridge' : 'lasso',
      penalty,
      distance: preset === 'xplique' ? 'euclidean' : 'cosine',
      kernel: preset,
      kernelWidth: preset === 'xplique' ? 45 : 1,
      seed: 0,
      moments,
    },
    numbered,
  )

test('worked example: LIME of both libraries', async t => {
  const xplique = (await play(sigmoidGame(), lime('xplique'))).result
  close(t, xplique.scores, [0.325498884, -0.108973547, 0.054154294, 0.12075487])
  close(t, [xplique.intercept!], [0.252865581])
  const captum = (await play(sigmoidGame(), lime('captum'))).result
  close(t, captum.scores, [0.454373609, -0.123864377, 0.042037147, 0.147963388])
  close(t, [captum.intercept!], [0.187929405])
})

test("worked example: Captum's weights for 0 to 4 kept", t => {
  const settings = { players: 4, distance: 'cosine', kernel: 'captum', kernelWidth: 1, moments } as const
  close(
    t,
    [0, 1, 3, 7, 15].map(set => limeWeight(settings, numbered(set))),
    [0.60653066, 0.882496903, 0.958013682, 0.991065555, 1],
  )
})

const hsicValues = Array.from({ length: 16 }, (_, set) =>
  sigmoidValue([0, 1, 2, 3].map(player => (set >>> player) & 1)),
)
const allSets = Array.from({ length: 16 }, (_, set) => numbered(set))

test('worked example: HSIC, its width, and the matrix formula', t => {
  const { scores, width } = atOnce(hsicScores(4, allSets, hsicValues))
  close(t, scores, [1.772899776, 0.158868244, 0.039281745, 0.359481289])
  close(t, [width], [0.331812228])
  const n = 16
  const centre = (m: number[][]) => {
    const row = m.map(r => r.reduce((a, b) => a + b) / n)
    const all = row.reduce((a, b) => a + b) / n
    return m.map((r, i) => r.map((v, j) => v - row[i]! - row[j]! + all))
  }
  const matrix = (f: (a: number, b: number) => number) =>
    Array.from({ length: n }, (_, a) => Array.from({ length: n }, (__, b) => f(a, b)))
  const output = centre(
    matrix((a, b) => Math.exp(-((hsicValues[a]! - hsicValues[b]!) ** 2) / (2 * width * width))),
  )
  const formula = [0, 1, 2, 3].map(player => {
    const bit = (set: number) => (set >>> player) & 1
    const input = centre(matrix((a, b) => 1.5 - (bit(a) - bit(b)) ** 2))
    return input.reduce((sum, r, i) => sum + r.reduce((s, v, j) => s + v * output[i]![j]!, 0), 0) / n
  })
  close(t, scores, formula, 1e-9)
})

test('HSIC: a dummy player of a balanced enumeration has 0; nothing is negative; a width of 0 is told', t => {
  const values = Array.from({ length: 16 }, (_, set) => ((set & 1) + 2 * ((set >>> 1) & 1) - 1.5) ** 3)
  const { scores, isFallback } = atOnce(hsicScores(4, allSets, values))
  close(t, scores.slice(2), [0, 0], 1e-12)
  t.true(scores.every(score => score >= -1e-12))
  t.true(isFallback)
})

test('worked example: Sobol indices after Jansen; a dummy has exactly 0 there', t => {
  const f = (z: readonly number[]) => sigmoidValue([...z, 1, 1])
  const a = [
    [0.5, 0.5],
    [0.75, 0.25],
    [0.25, 0.75],
    [0.375, 0.375],
  ]
  const b = [
    [0.5, 0.5],
    [0.25, 0.75],
    [0.75, 0.25],
    [0.625, 0.125],
  ]
  const base = a.map(f)
  close(t, base, [0.634135591, 0.842241313, 0.360083903, 0.559097472])
  const mixed = [0, 1].map(column =>
    a.map((row, at) => f(row.map((value, each) => (each === column ? b[at]![each]! : value)))),
  )
  close(
    t,
    mixed.map(values => sobolIndex('jansen', base, values)),
    [1.042219196, 0.076994721],
  )
  t.is(sobolIndex('jansen', base, base), 0)
  for (const estimator of sobolEstimators)
    t.true(Number.isFinite(sobolIndex(estimator, base, mixed[0]!)), estimator)
  t.is(sobolIndex('homma', base, mixed[0]!).toFixed(12), sobolIndex('saltelli', base, mixed[0]!).toFixed(12))
})

const weights = [1.5, -2, 0.25, 3, 0, -0.75]
const linear = (z: readonly number[]) => 0.5 + z.reduce((sum, value, at) => sum + value * weights[at]!, 0)

test('a linear value: KernelSHAP, permutations, Owen and LIME without penalty give its weights, however few samples', async t => {
  const players = 6
  for (const seed of [1, 2]) {
    const shap = new KernelShapPlayer({ players, samples: 40, constraint: 'exact', paired: true, seed })
    close(t, (await play(gameOf(players, linear), shap)).result.scores, weights, 1e-12)
    const permuted = new PermutationShapleyPlayer({ players, permutations: 1, antithetic: false, seed })
    close(t, (await play(gameOf(players, linear), permuted)).result.scores, weights, 1e-12)
    const drawn = new LimePlayer({
      players,
      samples: 40,
      surrogate: 'ridge',
      penalty: 1e-10,
      distance: 'euclidean',
      kernel: 'xplique',
      kernelWidth: 2,
      seed,
      moments: { own: ones(6), mixed: new Float64Array(6), baseline: new Float64Array(6) },
    })
    close(t, (await play(gameOf(players, linear), drawn)).result.scores, weights, 1e-7)
  }
  const owen = new OwenPlayer(players, [[0, 3], [1, [2, 5]], 4])
  close(t, (await play(gameOf(players, linear), owen)).result.scores, weights, 1e-12)
})

/** A value without structure, the same everywhere. */
function jagged(players: number) {
  return (z: readonly number[]) => {
    let set = 0
    for (let player = 0; player < players; player++) set += z[player]! * 2 ** player
    return Math.sin(12.9898 * (set + 1)) + 0.3 * Math.cos(78.233 * set)
  }
}

test('KernelSHAP enumerated is the Shapley value up to ten players; its scores add up to 1e-9 when sampled too', async t => {
  for (const players of [2, 3, 5, 10]) {
    const value = jagged(players)
    const exact = (await play(gameOf(players, value), new ExactShapleyPlayer(players))).result
    const all = new KernelShapPlayer({ players, samples: 1024, constraint: 'exact', paired: true, seed: 0 })
    const { result, standardError } = await play(gameOf(players, value), all)
    close(t, result.scores, [...exact.scores], 1e-9)
    t.is(standardError, 0)
  }
  const players = 12
  for (const paired of [true, false]) {
    const few = new KernelShapPlayer({ players, samples: 100, constraint: 'exact', paired, seed: 3 })
    const { result } = await play(gameOf(players, jagged(players)), few)
    t.true(Math.abs(result.scores.reduce((a, b) => a + b) - (result.full! - result.empty!)) < 1e-9)
  }
})

test('the error of KernelSHAP falls, and its standard error is of the size of the error', async t => {
  const players = 12
  const value = (z: readonly number[]) => linear(z.slice(0, 6)) + 2 * z[6]! * z[0]! - z[7]! * z[8]! * z[1]!
  const exact = (await play(gameOf(players, value), new ExactShapleyPlayer(players))).result.scores
  const norm = Math.sqrt(exact.reduce((sum, score) => sum + score * score, 0))
  const errors: number[] = []
  for (const samples of [64, 1024]) {
    let [error, told] = [0, 0]
    for (let seed = 0; seed < 8; seed++) {
      const player = new KernelShapPlayer({ players, samples, constraint: 'exact', paired: false, seed })
      const { result, standardError } = await play(gameOf(players, value), player)
      error +=
        Math.sqrt(result.scores.reduce((sum, score, at) => sum + (score - exact[at]!) ** 2, 0)) / norm / 8
      told += standardError! / 8
    }
    t.true(told > error / 2 && told < 2 * error, `${samples}: told ${told}, was ${error}`)
    errors.push(error)
  }
  const ratio = errors[0]! / errors[1]!
  t.true(
    ratio > 2.5 && ratio < 7,
    `16 times the samples made the error ${ratio} times smaller, about 4 expected`,
  )
})

test('standard errors of least squares do not know the scale of the weights', t => {
  const errorsOf = (weight: number) => {
    const equations = new LeastSquares(2)
    for (let at = 0; at < 40; at++)
      equations.add([Math.cos(at), 1], 2 * Math.cos(at) + Math.sin(7 * at), weight)
    return equations.solve().errors
  }
  const expected = errorsOf(1)
  // Of the textbook: residual squares over n - 2, over the squares of what is centred.
  const x = Array.from({ length: 40 }, (_, at) => Math.cos(at))
  const y = x.map((value, at) => 2 * value + Math.sin(7 * at))
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  const squares = x.reduce((sum, value) => sum + (value - mean(x)) ** 2, 0)
  const slope = x.reduce((sum, value, at) => sum + (value - mean(x)) * (y[at]! - mean(y)), 0) / squares
  const rest = x.reduce((sum, value, at) => sum + (y[at]! - mean(y) - slope * (value - mean(x))) ** 2, 0)
  t.true(Math.abs(expected[0]! - Math.sqrt(rest / 38 / squares)) < 1e-12)
  for (const weight of [1e-4, 9]) close(t, errorsOf(weight), [...expected], 1e-12)
})

test('the soft constraint tells an error of the size of that without end points', async t => {
  const value = (z: readonly number[]) => linear(z.slice(0, 6)) + 2 * z[6]! * z[0]! - z[7]! * z[8]! * z[1]!
  const told = async (constraint: 'exact' | 'soft') => {
    const player = new KernelShapPlayer({ players: 12, samples: 400, constraint, paired: false, seed: 1 })
    return (await play(gameOf(12, value), player)).standardError!
  }
  const [exact, soft] = [await told('exact'), await told('soft')]
  t.true(soft > exact / 1.5 && soft < 1.5 * exact, `${soft} beside ${exact}`)
})

test('the errors of RISE are those of its map, however sums are divided', async t => {
  for (const normalization of ['mask', 'expected'] as const) {
    const runs: SamplerResult[] = []
    for (let seed = 0; seed < 60; seed++) {
      const draw = (sample: number) => Uint32Array.of(new RandomStream(seed, 0, sample).bits() & 15)
      const render = (coalition: Uint32Array) => [0, 1, 2, 3].map(p => (isMember(coalition, p) ? 1 : 0))
      const player = new RisePlayer({ samples: 200, places: 4, keep: 0.5, normalization, draw, render })
      runs.push((await play(sigmoidGame(64), player)).result)
    }
    const [mean, told] = [0, 0].map((_, which) =>
      runs.reduce((sum, run) => sum + (which === 0 ? run.scores[0]! : run.errors![0]!) / 60, 0),
    ) as [number, number]
    const was = Math.sqrt(runs.reduce((sum, run) => sum + (run.scores[0]! - mean) ** 2, 0) / 59)
    t.true(told > was / 1.3 && told < 1.3 * was, `${normalization}: told ${told}, was ${was}`)
  }
})

test('a fit of more coefficients than memory should hold is refused before anything is run', t => {
  const settings = { players: 50_000, samples: 60_000, seed: 0 } as const
  const refused = { code: 'OPTION_RANGE', message: /coefficients/ }
  t.throws(() => new KernelShapPlayer({ ...settings, constraint: 'exact', paired: true }), refused)
  const lime = {
    surrogate: 'lasso',
    penalty: 0.01,
    distance: 'cosine',
    kernel: 'captum',
    kernelWidth: 1,
  } as const
  t.throws(() => new LimePlayer({ ...settings, ...lime, moments }), refused)
})

test('the error of antithetic permutations is that of whole pairs, also where a pair is begun', async t => {
  const after = async (permutations: number) => {
    const player = new PermutationShapleyPlayer({ players: 10, permutations, antithetic: true, seed: 2 })
    return (await play(gameOf(10, jagged(10)), player)).result.errors!
  }
  close(t, await after(7), [...(await after(6))], 1e-15)
})

test('permutations: scores add up after each, symmetric and dummy players get their due, all of them are exact', async t => {
  const players = 3
  const value = (z: readonly number[]) => 2 * z[0]! * z[1]! + 0 * z[2]!
  const player = new PermutationShapleyPlayer({ players, permutations: 200, antithetic: true, seed: 5 })
  const { result } = await play(gameOf(players, value), player)
  close(t, result.scores, [1, 1, 0], 1e-12)
  const one = new PermutationShapleyPlayer({ players: 10, permutations: 1, antithetic: false, seed: 9 })
  const first = (await play(gameOf(10, jagged(10)), one)).result
  t.true(Math.abs(first.scores.reduce((a, b) => a + b) - (first.full! - first.empty!)) < 1e-12)
})

test('Owen values are those of all permutations in which groups stay together', async t => {
  const value = jagged(5)
  const hierarchy = [
    [0, 3],
    [1, 2, 4],
  ]
  const orders = (items: readonly number[]): number[][] =>
    items.length === 0
      ? [[]]
      : items.flatMap(item => orders(items.filter(other => other !== item)).map(rest => [item, ...rest]))
  const expected = new Array<number>(5).fill(0)
  let count = 0
  for (const groups of orders([0, 1]))
    for (const first of orders(hierarchy[groups[0]!]!))
      for (const second of orders(hierarchy[groups[1]!]!)) {
        count++
        const z = [0, 0, 0, 0, 0]
        for (const player of [...first, ...second]) {
          const before = value(z)
          z[player] = 1
          expected[player]! += value(z) - before
        }
      }
  const { result, ending } = await play(gameOf(5, value), new OwenPlayer(5, hierarchy))
  close(
    t,
    result.scores,
    expected.map(sum => sum / count),
    1e-12,
  )
  t.is(ending, 'done')
})

test('Owen values without groups are Shapley values; a small budget still adds up', async t => {
  const value = jagged(6)
  const exact = (await play(gameOf(6, value), new ExactShapleyPlayer(6))).result.scores
  close(
    t,
    (await play(gameOf(6, value), new OwenPlayer(6, [0, 1, 2, 3, 4, 5]))).result.scores,
    [...exact],
    1e-12,
  )
  const nested = [
    [
      [0, 1],
      [2, 3],
    ],
    [4, 5],
  ]
  const game = gameOf(6, value)
  const { result, ending, evaluations } = await play(game, new OwenPlayer(6, nested), { budget: 6 })
  t.is(ending, 'budget')
  t.true(evaluations <= 6)
  t.true(Math.abs(result.scores.reduce((a, b) => a + b) - (result.full! - result.empty!)) < 1e-12)
})

test('the same seed gives the same bits whatever the batch; another seed others', async t => {
  const players = 12
  const run = async (batch: number, seed: number) => {
    const results: Float64Array[] = []
    const shap = new KernelShapPlayer({ players, samples: 100, constraint: 'exact', paired: true, seed })
    results.push((await play(gameOf(players, jagged(players), batch), shap)).result.scores)
    const permuted = new PermutationShapleyPlayer({ players, permutations: 5, antithetic: false, seed })
    results.push((await play(gameOf(players, jagged(players), batch), permuted)).result.scores)
    return results
  }
  const one = await run(1, 7)
  t.deepEqual(await run(64, 7), one)
  t.notDeepEqual(await run(64, 8), one)
})

test('bad settings are refused with a code', t => {
  const settings = { constraint: 'exact', paired: true, seed: 0 } as const
  t.throws(() => new KernelShapPlayer({ players: 1, samples: 100, ...settings }), { code: 'OPTION_RANGE' })
  t.throws(() => new KernelShapPlayer({ players: 40, samples: 40, ...settings }), { code: 'OPTION_RANGE' })
  t.throws(() => new ExactShapleyPlayer(21), { code: 'OPTION_RANGE' })
  t.throws(() => new OwenPlayer(3, [0, 1]), { code: 'INPUT_VALUE' })
  t.throws(() => new OwenPlayer(2, [0, [1, 0]]), { code: 'INPUT_VALUE' })
  t.throws(
    () =>
      new OwenPlayer(
        12,
        Array.from({ length: 12 }, (_, at) => at),
      ),
    { code: 'OPTION_RANGE' },
  )
  t.throws(() => lime('xplique', 0, 3), { code: 'OPTION_RANGE' })
})

test('constant values give zeros and say so', async t => {
  const constant = () => 2
  const shap = new KernelShapPlayer({ players: 5, samples: 100, constraint: 'none', paired: true, seed: 0 })
  for (const { result } of [
    await play(gameOf(5, constant), shap),
    await play(
      gameOf(5, constant),
      new PermutationShapleyPlayer({ players: 5, permutations: 3, antithetic: false, seed: 0 }),
    ),
    await play(gameOf(4, constant), lime('captum')),
  ]) {
    t.true(result.scores.every(score => score === 0))
    t.deepEqual(
      result.warnings.map(({ code }) => code),
      ['CONSTANT_SCORES'],
    )
  }
})
