/**
 * How many floating-point operations the gradient of a net takes, by the engine's count: `gradientWork.js FILE BATCH` in a
 * process of its own, because the race itself may run another build of the addon.
 */
import { execFileSync } from 'node:child_process'
import { createTensor, loadModel } from '#lib/index.js'
import { inputGradient } from '../inputGradient.js'

/** 10^9 operations of one forward and backward pass. */
export function gradientWork(file: string, batch: number): number {
  return Number(
    execFileSync(process.execPath, [import.meta.filename, file, String(batch)], { encoding: 'utf8' }),
  )
}

if (process.argv[1] === import.meta.filename) {
  const [file, batch] = process.argv.slice(2)
  const model = await loadModel(file!)
  const shape = [Number(batch), ...(model.inputs[0]!.shape!.slice(1) as number[])]
  const run = await inputGradient(model, createTensor('f32', shape))
  const { profile = [] } = await run({ profile: true })
  console.log(profile.reduce((sum, node) => sum + node.flops, 0) / 1e9)
  process.exit(0)
}
