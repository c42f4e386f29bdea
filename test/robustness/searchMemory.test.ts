import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import test from 'ava'
import { stemBytes } from '#lib/games/stem.js'
import { Lima } from '#lib/index.js'
import { native } from '#lib/native.js'
import { smallConvolutionNet, smallPicture } from '../oracles/smallConvolutionNet.js'
import { loadScenes, sceneInput } from './programs/model.js'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Native bytes that a search added at its worst to what lay there before. */
async function peakOf(work: () => Promise<unknown>): Promise<number> {
  // Working memory of other runs is kept for the next one.
  await work()
  // Results that nobody holds any more would count as lying there, and go in the middle of the search.
  collectGarbage()
  native().resetPeakMemory()
  const before = native().memory().current
  await work()
  return native().memory().peak - before
}

for (const device of ['cpu', 'fake'])
  test.serial(
    `a search takes no more memory for more regions, nor for more inputs than stand side by side, on ${device}`,
    async t => {
      const model = await loadScenes({ device })
      const search = (rows: number, images: number) => () =>
        new Lima(model, { regions: { kind: 'grid', rows }, stopAfter: 1 }).searchBatch(
          Array.from({ length: images }, () => sceneInput()),
          { target: 0, chunk: 8 },
        )
      // Few regions take few sets, for which early layers are not kept; for many they are.
      for (const rows of [2, 4, 7]) await search(rows, 1)()
      const few = await peakOf(search(4, 1))
      const more = await peakOf(search(7, 1))
      t.true(few > 1_000_000)
      t.true(more / few < 1.05, `${few}, ${more}`)
      await search(2, 16)()
      const group = await peakOf(search(2, 16))
      const groups = await peakOf(search(2, 40))
      t.true(groups / group < 1.05, `${group}, ${groups}`)
      const kept = await peakOf(search(8, 1))
      const many = await peakOf(search(12, 1))
      t.true(Math.max(kept, many) - few < stemBytes, `${few}, ${kept}, ${many}`)
      model.dispose()
    },
  )

test.serial('on a device with memory of its own the order is that of the processor', async t => {
  const search = async (device: string) =>
    new Lima(await smallConvolutionNet({ device }), {
      regions: { kind: 'grid', rows: 3 },
      features: 'features',
      precision: 'f64',
    }).search(smallPicture(1), { target: 2, chunk: 8 })
  const [one, other] = [await search('cpu'), await search('fake')]
  t.deepEqual(other.result, one.result)
})
