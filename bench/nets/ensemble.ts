import type { Attribution, Model } from '#lib/index.js'
import { type AttributeOptions, loadModel, type Tensor } from '#lib/index.js'
import { native } from '#lib/native.js'
import { convolutionNets } from '../convolutionNets.js'
import { printTable, quick, randomFloats, threads } from '../harness.js'
import { printRaces, raceAll } from '../race/race.js'
import { hasTorch } from '../race/racedNets.js'

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
  if (hasTorch()) {
    printRaces(await raceAll([what]))
    process.exit(0)
  }
  native().configure({ lanes: 1, threadsPerLane: threads })
  const steps = quick ? 10 : 50
  const rows: string[][] = []
  for (const { name, bytes, shape, output } of await convolutionNets()) {
    if (output !== 'classes') continue
    const method = make(await loadModel(bytes), steps)
    const data = randomFloats(shape.reduce((a, b) => a * b, 1))
    const input: Tensor = { dtype: 'f32', shape, data }
    await method.attribute(input, { target: 0 })
    const start = performance.now()
    await method.attribute(input, { target: 0 })
    rows.push([name, (performance.now() - start).toFixed(1)])
  }
  console.log(`${title}, ${steps} gradients of one example, ${threads} threads; Captum is not here`)
  printTable(['case', 'ours ms'], rows)
}
