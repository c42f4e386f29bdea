import type { Attribution, Model } from '#lib/index.js'
import { type AttributeOptions, loadModel, type Tensor } from '#lib/index.js'
import { native } from '#lib/native.js'
import { convolutionNets } from '../convolutionNets.js'
import { printTable, quick, race, randomFloats, threads } from '../harness.js'
import { geometricMean, netCases, ratioText, target } from './nets.js'
import { bestInner } from './peer.js'

interface Method {
  attribute(input: Tensor, options: AttributeOptions): Promise<Attribution>
}

/**
 * Races a method that asks for many gradients of one example against Captum at its fastest internal batch size, its
 * default among them; without the peer ours alone, on the nets at hand.
 */
export async function raceEnsemble(
  what: 'integrated' | 'smooth',
  title: string,
  make: (model: Model, steps: number) => Method,
): Promise<void> {
  native().configure({ lanes: 1, threadsPerLane: threads })
  const steps = quick ? 10 : 50
  const rows: string[][] = []
  const ratios: number[] = []
  for await (const { name, model, input, peer } of netCases([1])) {
    const method = make(model, steps)
    const ways = await bestInner(peer, name, steps)
    const times = await race(
      () => method.attribute(input, { target }),
      () => peer.run(what, { net: name, batch: 1, steps, ...ways }),
      { warmups: 1, fewest: 3 },
    )
    ratios.push(times.ratio)
    rows.push([
      name,
      `${times.ours.toFixed(1)} ±${times.oursSpread.toFixed(1)}`,
      `${times.peer.toFixed(1)} ±${times.peerSpread.toFixed(1)}`,
      `${ways.variant}, ${ways.inner ?? `${steps} (default)`}`,
      ratioText(times),
      String(times.rounds),
    ])
  }
  if (rows.length === 0) {
    for (const { name, bytes, shape, output } of await convolutionNets()) {
      if (output !== 'classes') continue
      const method = make(await loadModel(bytes), steps)
      const data = randomFloats(shape.reduce((a, b) => a * b, 1))
      const input: Tensor = { dtype: 'f32', shape, data }
      await method.attribute(input, { target: 0 })
      const start = performance.now()
      await method.attribute(input, { target: 0 })
      rows.push([name, (performance.now() - start).toFixed(1), '', '', '', '1'])
    }
  }
  console.log(`${title}, ${steps} gradients of one example, ${threads} threads`)
  printTable(['case', 'ours ms', 'Captum ms', 'its best', 'ratio', 'rounds'], rows)
  if (ratios.length > 1) console.log(`geometric mean ${geometricMean(ratios).toFixed(2)}`)
}
