import { IntegratedGradients, SmoothGrad } from '#lib/index.js'
import { loadScenes, sceneInput } from './model.js'

/** What every user does, once on each device: a load, a run, two methods, an error, a cancelled call, an end. */
for (const device of ['cpu', 'fake']) {
  const model = await loadScenes({ device })
  const input = sceneInput()
  await model.run(input, { profile: true })
  await new IntegratedGradients(model, { steps: 8 }).attribute(input)
  await new SmoothGrad(model, { samples: 3, seed: 1 }).attribute(input)
  await model.run({ nothing: input }).catch(() => undefined)
  const controller = new AbortController()
  const cancelled = new IntegratedGradients(model, { steps: 10_000, rule: 'riemann_middle' }).attribute(
    input,
    {
      signal: controller.signal,
      onProgress: () => controller.abort(),
    },
  )
  const code = await cancelled.then(
    () => 'finished',
    error => error.code,
  )
  if (code !== 'ABORTED') throw new Error(`the cancelled call ended with ${code}`)
  model.dispose()
}
console.log('done')
