import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { createTensor, IntegratedGradients, loadModel, SmoothGrad, Target, type Tensor } from '#lib/index.js'
import { relativeDistance } from '../oracles/gradientOf.js'
import { repositoryRoot } from '../oracles/repository.js'

/** Prints, for every small model, a hash of everything that it computes, and how far other batch sizes are off. */
const exports_ = join(repositoryRoot, 'test/fixtures/exports')
const models = [
  join(repositoryRoot, 'models/scenes-sound.onnx'),
  ...readdirSync(exports_)
    .filter(name => name.endsWith('.onnx'))
    .map(name => join(exports_, name)),
]

const wave = (count: number, seed: number) =>
  Float32Array.from({ length: count }, (_, at) => Math.sin(at * 0.37 + seed) + 0.2 * Math.cos(at * 1.9))

function inputsOf(shapes: readonly [string, number[]][], seeds: readonly number[]): Record<string, Tensor> {
  return Object.fromEntries(
    shapes.map(([name, item]) => {
      const count = item.reduce((product, size) => product * size, 1)
      const data = new Float32Array(count * seeds.length)
      for (const [at, seed] of seeds.entries())
        data.set(name === 'mask' ? new Float32Array(count).fill(1) : wave(count, seed), at * count)
      return [name, createTensor('f32', [seeds.length, ...item], data)]
    }),
  )
}

for (const path of models) {
  const hash = createHash('sha256')
  const model = await loadModel(path, process.argv[2] === 'bf16' ? { precision: 'bf16' } : {})
  const shapes = model.inputs.map(({ name, shape }): [string, number[]] => [
    name,
    shape!.slice(1) as number[],
  ])
  const output = model.outputs[0]!.name
  const run = async (seeds: number[]) =>
    (await model.run(inputsOf(shapes, seeds))).outputs[output]!.data as Float32Array
  const one = await run([1])
  hash.update(one)
  let batch = 0
  for (const others of [
    [1, 2],
    [1, 2, 3],
    [1, 2, 3, 4, 5],
  ])
    batch = Math.max(batch, relativeDistance((await run(others)).subarray(0, one.length), one))

  const method = new SmoothGrad(new IntegratedGradients(model, { steps: 5 }), {
    samples: 3,
    sigma: 0.2,
    seed: 7,
  })
  const options = { target: Target.class(1), inputs: [shapes[0]![0]] }
  const scores = async (chunk: number) =>
    (await method.attribute(inputsOf(shapes, [1]), { ...options, chunk })).scores().data
  const reference = await scores(4)
  hash.update(reference)
  let chunked = 0
  for (const chunk of [1, 3, 15, 32])
    chunked = Math.max(chunked, relativeDistance(await scores(chunk), reference))
  console.log(
    JSON.stringify({ model: path.slice(repositoryRoot.length), hash: hash.digest('hex'), batch, chunked }),
  )
}
