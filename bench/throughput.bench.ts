/**
 * How many maps a second does one process give when many are asked for at once? Gradients of single pictures, each a
 * request of its own: ours on as many lanes of one thread as there are cores, PyTorch at its better of batch 1 and 8.
 *
 *   [ASCRIBE_TORCH_PYTHON=…] node build/ts/bench/throughput.bench.js [--quick] [--only NET] [--seconds 20]
 */
import { loadModel, Saliency, type Tensor } from '#lib/index.js'
import { native } from '#lib/native.js'
import { convolutionNets } from './convolutionNets.js'
import { printTable, quick, race, randomFloats, threads } from './harness.js'
import { geometricMean, netCases, ratioText, target } from './nets/nets.js'
import { bestVariant } from './nets/peer.js'

native().configure({ lanes: threads, threadsPerLane: 1 })
const requests = quick ? 4 : 16
const rows: string[][] = []
const ratios: number[] = []

/** All at once, the next as soon as one is done. */
const serve = (method: Saliency, input: Tensor, explained: number) => () =>
  Promise.all(Array.from({ length: requests }, () => method.attribute(input, { target: explained })))

for await (const { name, model, input, peer } of netCases([1])) {
  const ways = []
  for (const batch of [1, 8])
    ways.push({ batch, ...(await bestVariant(peer, 'gradient', { net: name, batch })) })
  const [{ batch, variant }] = ways.sort((a, b) => a.milliseconds / a.batch - b.milliseconds / b.batch) as [
    (typeof ways)[0],
  ]
  const theirs = async () => {
    let milliseconds = 0
    for (let done = 0; done < requests; done += batch)
      milliseconds += (await peer.run('gradient', { net: name, batch, variant })).milliseconds
    return { milliseconds }
  }
  const times = await race(serve(new Saliency(model), input, target), theirs, { warmups: 1, fewest: 3 })
  ratios.push(times.ratio)
  rows.push([
    name,
    ((1000 * requests) / times.ours).toFixed(1),
    ((1000 * requests) / times.peer).toFixed(1),
    `${variant} x${batch}`,
    ratioText(times),
  ])
}
if (rows.length === 0)
  for (const { name, bytes, shape, output } of await convolutionNets()) {
    if (output !== 'classes') continue
    const run = serve(
      new Saliency(await loadModel(bytes)),
      { dtype: 'f32', shape, data: randomFloats(shape.reduce((a, b) => a * b, 1)) },
      0,
    )
    await run()
    const start = performance.now()
    await run()
    rows.push([name, ((1000 * requests) / (performance.now() - start)).toFixed(1), '', '', ''])
  }
console.log(`${requests} requests for a gradient at once, ${threads} lanes of one thread`)
printTable(['case', 'ours a second', 'PyTorch a second', 'its best', 'ratio'], rows)
if (ratios.length > 1) console.log(`geometric mean ${geometricMean(ratios).toFixed(2)}`)
