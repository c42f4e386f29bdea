import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import {
  conceptMethods,
  contextMethods,
  createTensor,
  loadModel,
  methods,
  readNpy,
  writeNpy,
} from '#lib/index.js'
import { valueInfo, writeModel } from '../oracles/onnxWriter.js'
import { repositoryRoot } from '../oracles/repository.js'
import { temporaryFolder } from '../oracles/temporaryFolder.js'
import { runCli, scenes } from './runCli.js'

const model = scenes('scenes-sound.onnx')

test.serial('run gives any named value, and a profile of every node', async t => {
  const folder = await temporaryFolder(t)
  const input = createTensor(
    'f32',
    [2, 3, 128, 128],
    Float32Array.from({ length: 98_304 }, (_, at) => Math.sin(at)),
  )
  const [x, y, trace] = ['x.npy', 'y.npy', 'trace.json'].map(name => join(folder, name)) as [
    string,
    string,
    string,
  ]
  await writeNpy(x, input)
  const { code, out } = await runCli([
    'run',
    model,
    '--input',
    `image=${x}`,
    '--output',
    `logits=${y}`,
    '--profile',
    trace,
    '--json',
  ])
  t.is(code, 0)
  const report = JSON.parse(out)
  t.deepEqual(report.outputs[0].shape, [2, 8])
  t.true(report.profile.length >= 5)
  const { outputs } = await (await loadModel(model)).run(input)
  t.deepEqual(await readNpy(y), outputs.logits as never)
  t.is(JSON.parse(await readFile(trace, 'utf8')).traceEvents.length, report.profile.length)
})

test.serial('f64 runs the reference kernels', async t => {
  const folder = await temporaryFolder(t)
  const x = join(folder, 'x.npy')
  await writeNpy(x, createTensor('f32', [1, 3, 128, 128]))
  const { code, out } = await runCli(['run', model, '--input', `image=${x}`, '--precision', 'f64', '--json'])
  t.is(code, 0)
  t.is(JSON.parse(out).outputs[0].dtype, 'f64')
})

test.serial('inspect describes inputs, batch axis, parameters and plan', async t => {
  const { code, out } = await runCli(['inspect', model, '--json', '--plan', '--size', 'batch=4'])
  t.is(code, 0)
  const report = JSON.parse(out)
  t.deepEqual(report.inputs, [{ name: 'image', dtype: 'f32', shape: ['batch', 3, 128, 128] }])
  t.deepEqual(report.batchAxis, { kind: 'symbolic', symbol: 'batch' })
  t.is(report.sizes.batch, 4)
  t.is(report.layers.at(-1).shape[0], 4)
  t.true(report.parameters.elements > 60_000)
  t.true(report.plan.arenaBytes > 4 * 16 * 64 * 64 * 4)
  t.true(report.plan.dump.split('\n').length >= report.plan.nodes.length)
  t.is((await runCli(['inspect', model, '--size', 'N=4'])).code, 2)
})

test.serial('inspect marks layers that methods on layers do well with', async t => {
  const maps = await runCli(['inspect', model, '--layers'])
  t.is(maps.out.split('\n').filter(line => line.includes('<- last-convolution')).length, 1)
  const vision = await runCli([
    'inspect',
    join(repositoryRoot, 'test/fixtures/exports/vit-trace-11.onnx'),
    '--json',
  ])
  t.deepEqual(JSON.parse(vision.out).suggestedLayers, [
    { name: '/blocks.1/norm1/Add_1_output_0', kind: 'last-block' },
  ])
})

test.serial('explain takes units of layers as text', async t => {
  const file = join(await temporaryFolder(t), 'image.npy')
  const image = Float32Array.from({ length: 3 * 128 * 128 }, (_, at) => Math.sin(at))
  await writeNpy(file, createTensor('f32', [1, 3, 128, 128], image))
  const flags = ['--input', `image=${file}`, '--method', 'NeuronGradient', '--unit-layer', 'last-convolution']
  const { code, out } = await runCli(['explain', model, ...flags, '--unit', '0,3,4', '--json'])
  t.is(code, 0)
  t.regex(JSON.parse(out).targets[0].description, /\[0,3,4\]/)
  t.is((await runCli(['explain', model, ...flags, '--unit', '-1'])).code, 2)
})

test.serial('inspect describes the first stage of a model whose shapes depend on data', async t => {
  const folder = await temporaryFolder(t)
  const path = join(folder, 'staged.onnx')
  const nodes = [
    { op: 'Relu', inputs: ['x'], outputs: ['r'] },
    { op: 'NonZero', inputs: ['r'], outputs: ['y'] },
  ]
  await writeFile(
    path,
    writeModel({ nodes, inputs: [valueInfo('x', ['N', 4])], outputs: [valueInfo('y', [2, 'M'], 7)] }),
  )
  const { code, out } = await runCli(['inspect', path, '--json', '--plan'])
  t.is(code, 0)
  const report = JSON.parse(out)
  t.true(report.isStaged)
  t.true(report.layers.some(({ name }: { name: string }) => name === 'r'))
  t.true(report.plan.nodes.length > 0)
  t.regex((await runCli(['inspect', path])).out, /runs in stages/)
})

test.serial('inspect of a model whose input decides shapes', async t => {
  const folder = await temporaryFolder(t)
  const path = join(folder, 'reshaped.onnx')
  const nodes = [{ op: 'Reshape', inputs: ['x', 'shape'], outputs: ['y'] }]
  await writeFile(
    path,
    writeModel({
      nodes,
      inputs: [valueInfo('x', [4]), valueInfo('shape', [2], 7)],
      outputs: [valueInfo('y')],
    }),
  )
  const { code, out } = await runCli(['inspect', path, '--json'])
  t.is(code, 0)
  t.is(JSON.parse(out).plan, undefined)
})

test.serial('verify compares every value with ONNX Runtime, and tells where a model differs', async t => {
  const { code, out } = await runCli(['verify', model, '--json'])
  t.is(code, 0)
  const report = JSON.parse(out)
  t.true(report.values.length >= 10)
  t.true(report.outputs[0].error <= 1e-5)
  const strict = await runCli(['verify', model, '--tolerance', '1e-12'])
  t.is(strict.code, 5)
  t.regex(strict.out, /DIFFERS, first at /)
})

test.serial('methods lists what the registry has, and every option of one', async t => {
  const { code, out } = await runCli(['methods', '--json'])
  t.is(code, 0)
  t.deepEqual(
    JSON.parse(out).map((entry: { name: string }) => entry.name),
    [...methods, ...conceptMethods, ...contextMethods].map(entry => entry.name),
  )
  const one = await runCli(['methods', 'integrated-gradients'])
  t.regex(one.out, /maximumSteps/)
  t.is((await runCli(['methods', 'nothing'])).code, 2)
})

test.serial('every method of the registry carries its own name and takes its own defaults', async t => {
  const loaded = await loadModel(model)
  const writer = await loadModel(join(repositoryRoot, 'models', 'keys-transformer'))
  for (const entry of contextMethods) {
    const create = await entry.load()
    t.notThrows(() => create(writer, {}), entry.name)
    t.throws(() => create(writer, { nonsense: 1 }), { code: 'OPTION_UNKNOWN' }, entry.name)
  }
  for (const entry of methods) {
    const create = await entry.load()
    const defaults = Object.fromEntries(
      Object.entries(entry.options).flatMap(([name, spec]) =>
        spec.default === undefined ? [] : [[name, spec.default]],
      ),
    )
    // Which value holds a model's features nobody can guess; that it was not named is asked for by its own test.
    const named = entry.name === 'Smdl' ? { features: 'features' } : {}
    const suited = ['ReAGent', 'ValueZeroing'].includes(entry.name) ? writer : loaded
    t.is(create(suited, { ...defaults, ...named }).identity().name, entry.name)
    t.deepEqual(create(suited, { ...defaults, ...named }).identity(), create(suited, named).identity())
    t.throws(() => create(suited, { nonsense: 1 }), { code: 'OPTION_UNKNOWN' }, entry.name)
  }
})

test.serial('doctor measures the machine and names every backend', async t => {
  const { code, out } = await runCli(['doctor', '--json'])
  t.is(code, 0)
  const report = JSON.parse(out)
  t.true(report.probe.gflops > 0 && report.probe.gigabytesPerSecond > 0)
  t.true(
    report.backends.some(
      (backend: { name: string; available: boolean }) => backend.name === 'reference' && backend.available,
    ),
  )
  t.is(report.versions.node, process.versions.node)
})

test.serial('help costs no addon, and an unknown command is a usage error', async t => {
  t.is((await runCli(['--help'])).code, 0)
  t.is((await runCli(['explain', '--help'])).code, 0)
  t.is((await runCli(['expalin'])).code, 2)
})
