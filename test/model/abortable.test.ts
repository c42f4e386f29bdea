import test from 'ava'
import { abortable } from '#lib/model/abortable.js'

test('the outcome is the work’s own', async t => {
  const signal = new AbortController().signal
  t.is(await abortable(async () => 3, signal), 3)
  t.is(await abortable(async () => 4, undefined), 4)
  const failure = async () => {
    throw new RangeError('no')
  }
  await t.throwsAsync(abortable(failure, signal), { instanceOf: RangeError })
})

test('an abort rejects at once, and only the caller whose signal it was', async t => {
  const controller = new AbortController()
  let finish = (_: number) => {}
  const work = new Promise<number>(resolve => {
    finish = resolve
  })
  const mine = abortable(() => work, controller.signal)
  const other = abortable(() => work, new AbortController().signal)
  controller.abort(new Error('enough'))
  const error = await t.throwsAsync(mine, { code: 'ABORTED' })
  t.is((error as Error & { cause: Error }).cause.message, 'enough')
  finish(5)
  t.is(await other, 5)
})

test('nothing starts after an abort', async t => {
  const start = async () => t.fail()
  await t.throwsAsync(abortable(start, AbortSignal.abort()), { code: 'ABORTED' })
})
