import test, { type ExecutionContext } from 'ava'
import {
  AscribeError,
  audioPatches,
  compose,
  FeaturePermutation,
  fromFunction,
  fromHttp,
  fromOnnxRuntime,
  gridRegions,
  Hsic,
  Image,
  KernelShap,
  LeaveOneOut,
  Lima,
  Lime,
  makeRegions,
  maskRegions,
  Occlusion,
  OwenValues,
  Rise,
  regionAreas,
  regionsFromLabels,
  ShapleyValueSampling,
  ShapleyValues,
  Smdl,
  Sobol,
  saliencySets,
  seedsRegions,
  slicoRegions,
  slicRegions,
  tableColumns,
  textSpans,
  zeroShotClassifier,
} from '#lib/index.js'
import { smallConvolutionNet, smallPicture } from '../oracles/smallConvolutionNet.js'

/** What plain JavaScript may put in place of anything. */
const wrong: readonly unknown[] = [null, undefined, 7, Number.NaN, 'text', true, [], [null], {}, () => 7]
const show = (value: unknown) =>
  typeof value === 'function' ? 'a function' : value === undefined ? 'undefined' : JSON.stringify(value)

/** Each argument in turn is wrong: an AscribeError with a code, or a result, but no other error. */
async function tryAll(
  t: ExecutionContext,
  name: string,
  call: (...given: never[]) => unknown,
  right: readonly unknown[],
): Promise<void> {
  const failures: string[] = []
  for (const at of right.keys())
    for (const value of wrong) {
      const given = right.map((each, place) => (place === at ? value : each))
      const said = `${name}, argument ${at + 1}: ${show(value)}`
      try {
        await (call as (...all: unknown[]) => unknown)(...given)
      } catch (error) {
        const isCoded = error instanceof AscribeError && error.code !== 'INTERNAL'
        if (!isCoded) failures.push(`${said}: ${(error as Error).stack?.split('\n').slice(0, 2).join('')}`)
      }
    }
  t.deepEqual(failures, [])
}

const picture = Image.fromPixels({
  width: 16,
  height: 16,
  channels: 3,
  data: Uint8Array.from({ length: 768 }, (_, at) => (at * 37) % 256),
})

test('regions: wrong arguments have a code', async t => {
  const map = Float32Array.from({ length: 256 }, (_, at) => at)
  await tryAll(t, 'gridRegions', gridRegions, [8, 8, 2, 2])
  await tryAll(t, 'regionsFromLabels', regionsFromLabels, [[0, 1, 0, 1], [2, 2], 'mine'])
  await tryAll(t, 'regionAreas', regionAreas, [{ count: 2, labels: Int32Array.of(0, 1) }])
  await tryAll(t, 'makeRegions', makeRegions, [picture, { kind: 'grid', rows: 2 }])
  await tryAll(t, 'slicoRegions', slicoRegions, [picture, { size: 4 }])
  await tryAll(t, 'slicRegions', slicRegions, [picture, { count: 4 }])
  await tryAll(t, 'seedsRegions', seedsRegions, [picture, { count: 4 }])
  await tryAll(t, 'maskRegions', maskRegions, [[16, 16], [new Uint8Array(256).fill(1, 0, 128)], {}])
  await tryAll(t, 'saliencySets', saliencySets, [map, [16, 16], { grid: 4 }])
  await tryAll(t, 'textSpans', textSpans, ['one two. three', { by: 'word' }])
  await tryAll(t, 'tableColumns', tableColumns, [
    4,
    [
      [0, 1],
      [2, 3],
    ],
  ])
  await tryAll(t, 'audioPatches', audioPatches, [16, 16, 2, 2])
})

test('models and black boxes: wrong arguments have a code', async t => {
  const model = await smallConvolutionNet()
  const embeddings = {
    dtype: 'f32' as const,
    shape: [2, 5],
    data: Float32Array.of(1, 0, 0, 0, 0, 0, 1, 0, 0, 0),
  }
  await tryAll(t, 'zeroShotClassifier', zeroShotClassifier, [model, { embeddings }])
  for (const key of ['embeddings', 'labels', 'embedding', 'scale'])
    await tryAll(
      t,
      `zeroShotClassifier.${key}`,
      value => zeroShotClassifier(model, { embeddings, [key]: value } as never),
      [undefined],
    )
  await tryAll(t, 'compose', compose, [
    model,
    (_: unknown, outputs: ReadonlyMap<string, unknown>) => ({ y2: outputs.get('y') }),
    {},
  ])
  for (const key of ['name', 'labels'])
    await tryAll(
      t,
      `compose.${key}`,
      value =>
        compose(model, (graph, outputs) => ({ z: graph.apply('relu', [outputs.get('y')!]) }), {
          [key]: value,
        } as never),
      [undefined],
    )
  const run = ({ input }: { input: { shape: number[] } }) => ({
    dtype: 'f32' as const,
    shape: [input.shape[0]!, 2],
    data: new Float32Array(2 * input.shape[0]!),
  })
  await tryAll(t, 'fromFunction', fromFunction, [run, {}])
  for (const key of ['name', 'labels', 'preprocessing', 'inputs', 'outputs', 'batch'])
    await tryAll(t, `fromFunction.${key}`, value => fromFunction(run as never, { [key]: value } as never), [
      undefined,
    ])
  await tryAll(t, 'fromHttp', fromHttp, ['http://127.0.0.1:9/', {}])
  await tryAll(t, 'fromOnnxRuntime', fromOnnxRuntime, [{ inputNames: ['x'], outputNames: ['y'], run }, {}])
})

const methods = {
  FeaturePermutation,
  Hsic,
  KernelShap,
  LeaveOneOut,
  Lima,
  Lime,
  Occlusion,
  OwenValues,
  Rise,
  ShapleyValueSampling,
  ShapleyValues,
  Smdl,
  Sobol,
}

for (const [name, Method] of Object.entries(methods))
  test(`${name}: wrong models, options, inputs and targets have a code`, async t => {
    const model = await smallConvolutionNet()
    const needed = { Smdl: { effectiveness: 0 }, ShapleyValues: { regions: { kind: 'grid', rows: 2 } } }
    const options = (needed as Record<string, object>)[name] ?? {}
    const Any = Method as unknown as new (
      model: unknown,
      options: unknown,
    ) => Record<string, (...given: unknown[]) => unknown>
    await tryAll(t, `new ${name}`, (a, b) => new Any(a, b), [model, options])
    const method = new Any(model, options)
    const few = { signal: AbortSignal.abort() }
    await tryAll(t, `${name}.attributeBatch`, (a, b) => method.attributeBatch!(a, b), [
      [smallPicture(1), smallPicture(2)],
      few,
    ])
    for (const own of ['attribute', 'search'])
      if (method[own] !== undefined)
        await tryAll(t, `${name}.${own}`, (a, b) => method[own]!(a, b), [smallPicture(1), few])
    if (method.explainError !== undefined) {
      await tryAll(t, `${name}.explainError`, (a, b, c) => method.explainError!(a, b, c), [
        smallPicture(1),
        0,
        few,
      ])
      await tryAll(t, `${name}.explainErrors`, (a, b) => method.explainErrors!(a, b), [
        [{ input: smallPicture(1), truth: 0 }],
        few,
      ])
      await tryAll(t, `${name}.searchBatch`, (a, b) => method.searchBatch!(a, b), [[smallPicture(1)], few])
    }
    for (const key of ['target', 'baseline', 'inputs', 'signal', 'onProgress', 'chunk'])
      await tryAll(
        t,
        `${name}.attributeBatch ${key}`,
        value => method.attributeBatch!([smallPicture(1), smallPicture(2)], { ...few, [key]: value }),
        [undefined],
      )
    for (const key of ['regions', 'regionCount', 'samples', 'seed'])
      await tryAll(t, `new ${name} ${key}`, value => new Any(model, { ...options, [key]: value }), [
        undefined,
      ])
  })
