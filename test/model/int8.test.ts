import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { Generator, loadModel, type Model, type Tensor, vectorJacobianProduct } from '#lib/index.js'
import { relativeDistance } from '../oracles/gradientOf.js'
import { ggufPath, recordedGguf } from '../oracles/recordedGguf.js'
import { repositoryRoot } from '../oracles/repository.js'

const path = ggufPath('llama-blocks') // Q8_0, Q4_K and Q6_K
const { ids } = recordedGguf('llama-blocks')
const logitsOf = async (model: Model, given: Tensor = ids, options = {}) =>
  (await model.run({ input_ids: given }, options)).outputs.logits!.data as Float32Array

test('products of int8 are those of rows rounded to 8 bits', async t => {
  const [exact, rounded] = [await loadModel(path), await loadModel(path, { precision: 'int8' })]
  t.is(rounded.precision, 'int8')
  const [full, few] = [await logitsOf(exact), await logitsOf(rounded)]
  // What PyTorch makes of rows rounded before each product: bench/checkpoints/recordInt8.py.
  const recorded = readFileSync(join(repositoryRoot, 'test/fixtures/gguf/int8/llama-blocks.json'), 'utf8')
  const expected = Float32Array.from(JSON.parse(recorded).logits.data as number[])
  t.true(relativeDistance(few, expected) <= 1e-6, `${relativeDistance(few, expected)}`)
  t.true(relativeDistance(full, expected) > 1e-2)
  t.deepEqual(await logitsOf(rounded, ids, { precision: 'f32' }), full)
  t.deepEqual(await logitsOf(exact, ids, { precision: 'int8' }), few)
  t.deepEqual(await logitsOf(rounded, ids, { withoutPasses: ['int8-products'] }), full)
  t.deepEqual(await logitsOf(rounded), few)
})

test('every product of a matrix in blocks is of int8, and profiles say so', async t => {
  const model = await loadModel(path, { precision: 'int8' })
  const { profile } = await model.run({ input_ids: ids }, { profile: true })
  const kernels = profile!.filter(({ op }) => op === 'storedMatMul').map(({ kernel }) => kernel)
  t.true(kernels.length >= 8)
  t.deepEqual([...new Set(kernels)], ['cpu-matmul-int8'])
})

test('a text is the same alone and beside others', async t => {
  const model = await loadModel(path, { precision: 'int8' })
  const [, length] = ids.shape as [number, number]
  const first = { ...ids, shape: [1, length], data: ids.data.slice(0, length) } as Tensor
  const data = BigInt64Array.from({ length: 5 * length }, (_, at) =>
    at < length ? (first.data[at] as bigint) : BigInt((at * 7) % 40),
  )
  const alone = await logitsOf(model, first)
  const beside = await logitsOf(model, { dtype: 'i64', shape: [5, length], data })
  t.true(relativeDistance(beside.subarray(0, alone.length), alone) <= 1e-5)
})

test('text is written with them: token by token what the whole text gives', async t => {
  const model = await loadModel(path, { precision: 'int8' })
  const prompt = [3, 9, 27, 1, 14]
  const written: number[] = []
  for await (const { id } of new Generator(model).stream(prompt, { temperature: 0, maximumTokens: 8 }))
    written.push(id)
  t.is(written.length, 8)
  for (const [at, id] of written.entries()) {
    const read = [...prompt, ...written.slice(0, at)]
    const logits = await logitsOf(model, {
      dtype: 'i64',
      shape: [1, read.length],
      data: BigInt64Array.from(read, BigInt),
    })
    const last = logits.subarray(-40)
    t.is(last.indexOf(Math.max(...last)), id)
  }
})

test('there are no gradients of them', async t => {
  const model = await loadModel(path, { precision: 'int8' })
  const [rows, length] = ids.shape as [number, number]
  const seed: Tensor = {
    dtype: 'f32',
    shape: [rows, length, 40],
    data: new Float32Array(rows * length * 40).fill(1),
  }
  const gradient = (options = {}) =>
    vectorJacobianProduct(model, { input_ids: ids }, { logits: seed }, ['model.norm.weight'], options)
  await t.throwsAsync(gradient(), { code: 'PRECISION_UNAVAILABLE', message: /derivative/ })
  t.true((await gradient({ precision: 'f32' }))['model.norm.weight']!.data.every(Number.isFinite))
})

test('a model without weights in blocks has none, nor have other backends', async t => {
  const plain = ggufPath('llama')
  await t.throwsAsync(loadModel(plain, { precision: 'int8' }), {
    code: 'PRECISION_UNAVAILABLE',
    message: /llama\.gguf has no matrix of weights in blocks/,
  })
  await t.throwsAsync(logitsOf(await loadModel(plain), recordedGguf('llama').ids, { precision: 'int8' }), {
    code: 'PRECISION_UNAVAILABLE',
  })
  await t.throwsAsync(logitsOf(await loadModel(path), ids, { precision: 'int8', backends: ['reference'] }), {
    code: 'PRECISION_UNAVAILABLE',
  })
})

test('every instruction set has them', async t => {
  const own = await logitsOf(await loadModel(path, { precision: 'int8' }))
  for (const isa of ['baseline', 'avx2', 'avx512']) {
    const program = `
      import { loadModel } from './dist/index.js'
      const model = await loadModel(${JSON.stringify(path)}, { precision: 'int8' })
      const ids = ${JSON.stringify([...ids.data].map(Number))}
      const given = { dtype: 'i64', shape: ${JSON.stringify(ids.shape)}, data: BigInt64Array.from(ids, BigInt) }
      const { outputs } = await model.run({ input_ids: given })
      console.log(JSON.stringify([...outputs.logits.data]))`
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
      cwd: join(repositoryRoot),
      env: { ...process.env, ASCRIBE_MAX_ISA: isa },
    })
    t.is(status, 0, stderr)
    // Products have the same bits; norms and attention around them round otherwise, and a step of 8 bits may fall apart.
    t.true(relativeDistance(Float32Array.from(JSON.parse(stdout)), own) < 2e-3, isa)
  }
})
