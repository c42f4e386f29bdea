import { setImmediate } from 'node:timers/promises'
import { IntegratedGradients } from '#lib/index.js'
import { native } from '#lib/native.js'
import { loadScenes, sceneInput } from './model.js'

/** Prints the native bytes in use before, with, and after models whose use ended in every way. Needs --expose-gc. */
const collect = globalThis.gc as () => void
const input = sceneInput()

async function settled(): Promise<number> {
  for (let round = 0; round < 20; round++) {
    collect()
    await setImmediate()
  }
  return native().memory().current
}

async function work(device: string): Promise<number> {
  await using model = await loadScenes({ device })
  await model.run(input)
  const overlaid = model.withParameters({})
  await overlaid.run(input)
  await new IntegratedGradients(model, { steps: 4 }).attribute(input)
  const within = native().memory().current
  const unfinished = new IntegratedGradients(model, { steps: 60 }).attribute(input, {
    onProgress: () => model.dispose(),
  })
  await unfinished
  await overlaid[Symbol.asyncDispose]()
  return within
}

const bytes: number[] = []
for (const device of ['cpu', 'fake', 'cpu']) {
  const before = await settled()
  const within = await work(device)
  bytes.push(before, within, await settled())
}
console.log(JSON.stringify(bytes))
