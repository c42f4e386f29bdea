import test from 'ava'
import { IntegratedGradients } from '#lib/index.js'
import { native } from '#lib/native.js'
import { loadScenes, sceneInput } from './programs/model.js'

// One lane, so that a second job waits behind the first.
test.before(() => native().configure({ lanes: 1 }))

/** More steps than any machine takes within a test's time: only an abort ends it. */
const endless = { steps: 1_000_000, rule: 'riemann_middle' } as const

for (const device of ['cpu', 'fake'])
  test.serial(`aborted jobs reject, running or queued, on ${device}`, async t => {
    const model = await loadScenes({ device })
    const running = new AbortController()
    const queued = new AbortController()
    const method = new IntegratedGradients(model, endless)
    let done = 0
    let resolve = () => {}
    const underWay = new Promise<void>(r => {
      resolve = r
    })
    const first = method.attribute(sceneInput(), {
      signal: running.signal,
      onProgress: steps => {
        done = steps
        resolve()
      },
    })
    await underWay
    const second = method.attribute(sceneInput(), { signal: queued.signal })
    queued.abort(new Error('the user left'))
    const error = await t.throwsAsync(second, { code: 'ABORTED' })
    t.is((error as Error & { cause: Error }).cause.message, 'the user left')
    t.true(done < endless.steps)
    running.abort()
    await t.throwsAsync(first, { code: 'ABORTED' })
    // The lane is free again: an ordinary call finishes.
    const { outputs } = await model.run(sceneInput())
    t.is(Object.keys(outputs).length, model.outputs.length)
    model.dispose()
  })

test.serial('a signal that is aborted already starts nothing', async t => {
  const model = await loadScenes()
  const options = { signal: AbortSignal.abort() }
  await t.throwsAsync(model.run(sceneInput(), options), { code: 'ABORTED' })
  await t.throwsAsync(
    new IntegratedGradients(model, endless).attribute(sceneInput(), {
      ...options,
      onProgress: () => t.fail('it started'),
    }),
    { code: 'ABORTED' },
  )
})

test.serial('aborting one call leaves others that wait for the same plan alone', async t => {
  const model = await loadScenes()
  const controller = new AbortController()
  const first = model.run(sceneInput(), { signal: controller.signal })
  const second = model.run(sceneInput())
  controller.abort()
  await t.throwsAsync(first, { code: 'ABORTED' })
  t.truthy((await second).outputs)
})

test.serial('a short job is not held up by a long one on the same lane', async t => {
  const model = await loadScenes()
  await model.run(sceneInput())
  const controller = new AbortController()
  let done = 0
  let resolve = () => {}
  const underWay = new Promise<void>(r => {
    resolve = r
  })
  const long = new IntegratedGradients(model, endless).attribute(sceneInput(), {
    signal: controller.signal,
    onProgress: steps => {
      done = steps
      resolve()
    },
  })
  await underWay
  const at = done
  for (let i = 0; i < 10; i++) await model.run(sceneInput())
  // Ten short calls went through while the long one did a few hundred of its million steps.
  t.true(done - at < 5_000, `${done - at} steps`)
  controller.abort()
  await t.throwsAsync(long, { code: 'ABORTED' })
})
