import test from 'ava'
import { PlanCache } from '#lib/model/planCache.js'
import type { NativePlan } from '#typings/addon.js'

const megabyte = 1 << 20

function plan(megabytes: number, nodes = 0, device = 'cpu') {
  const state = { disposed: 0 }
  const native = {
    describe: () => ({
      device,
      arenaBytes: megabytes * megabyte,
      weightBytes: 0,
      scratchBytes: 0,
      nodes: Array.from({ length: nodes }),
    }),
    dispose: () => {
      state.disposed++
    },
  } as unknown as NativePlan
  return { native, state }
}

const turn = () => new Promise(resolve => setImmediate(resolve))

test('the least recently used plans leave once the bound is passed, without being disposed', async t => {
  const cache = new PlanCache(100 * megabyte)
  const plans = { a: plan(40), b: plan(40), c: plan(40) }
  for (const [key, { native }] of Object.entries(plans)) {
    if (key === 'c') await cache.get('a', () => Promise.reject(new Error('a is there')))
    await cache.get(key, async () => native)
  }
  await turn()
  await cache.get('a', () => Promise.reject(new Error('a is there')))
  const again = plan(40)
  t.is(await cache.get('b', async () => again.native), again.native)
  t.is(plans.b.state.disposed, 0)
})

test('a plan that is compiled after the cache was cleared counts for nothing', async t => {
  const cache = new PlanCache(100 * megabyte)
  const late = plan(90)
  let finish = (_: NativePlan) => {}
  const promise = cache.get('late', () => new Promise(resolve => (finish = resolve)))
  cache.clear()
  finish(late.native)
  t.is(await promise, late.native)
  const a = plan(60)
  await cache.get('a', async () => a.native)
  await cache.get('b', async () => plan(30).native)
  await turn()
  t.is(await cache.get('a', async () => late.native), a.native)
})

test('activations of a plan on a GPU count for nothing, since no plan holds them', async t => {
  const cache = new PlanCache(100 * megabyte)
  const large = plan(4000, 300, 'cuda:0')
  await cache.get('large', async () => large.native)
  for (const key of ['a', 'b']) await cache.get(key, async () => plan(40).native)
  await turn()
  t.is(await cache.get('large', async () => plan(1).native), large.native)
})

test('a failed compile is tried again', async t => {
  const cache = new PlanCache(100 * megabyte)
  await t.throwsAsync(cache.get('a', () => Promise.reject(new Error('no'))))
  const a = plan(1)
  t.is(await cache.get('a', async () => a.native), a.native)
})

test('dispose frees every plan, also one that is still being compiled', async t => {
  const cache = new PlanCache(100 * megabyte)
  const ready = plan(1)
  const late = plan(1)
  let finish = (_: NativePlan) => {}
  await cache.get('ready', async () => ready.native)
  const promise = cache.get('late', () => new Promise(resolve => (finish = resolve)))
  cache.dispose()
  finish(late.native)
  await promise
  await turn()
  t.is(ready.state.disposed, 1)
  t.is(late.state.disposed, 1)
})

test('plans of next to no buffers leave too: a model in stages compiles one for every count', async t => {
  const cache = new PlanCache(100 * megabyte)
  for (let count = 0; count < 500; count++) await cache.get(`${count}`, async () => plan(0, 300).native)
  await turn()
  const again = plan(0)
  t.is(await cache.get('0', async () => again.native), again.native)
})
