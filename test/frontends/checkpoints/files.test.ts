import { copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { createTensor, loadModel, readSafetensors, type Tensor, writeSafetensors } from '#lib/index.js'
import { checkpointFolder, recordedCheckpoint } from '../../oracles/recordedCheckpoints.js'
import { temporaryFolder } from '../../oracles/temporaryFolder.js'

const source = checkpointFolder('llama')
const { input_ids } = recordedCheckpoint('llama').inputs

const logitsOf = async (folder: string) =>
  (await (await loadModel(folder)).run({ input_ids: input_ids! })).outputs.logits!.data as Float32Array

/** A checkpoint with the weights of another, written by `write`. */
async function rewritten(folder: string, write: (tensors: Record<string, Tensor>) => Promise<void>) {
  await copyFile(join(source, 'config.json'), join(folder, 'config.json'))
  await write(await readSafetensors(join(source, 'model.safetensors')))
}

async function inShards(folder: string, tensors: Record<string, Tensor>, map?: Record<string, string>) {
  const names = Object.keys(tensors)
  const shard = (name: string) => `model-0000${names.indexOf(name) % 3}-of-00003.safetensors`
  for (const file of new Set(names.map(shard)))
    await writeSafetensors(
      join(folder, file),
      Object.fromEntries(Object.entries(tensors).filter(([name]) => shard(name) === file)),
    )
  const weights = map ?? Object.fromEntries(names.map(name => [name, shard(name)]))
  await writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: weights }))
}

test('weights in several files are those of one', async t => {
  const folder = await temporaryFolder(t)
  await rewritten(folder, tensors => inShards(folder, tensors))
  t.deepEqual(await logitsOf(folder), await logitsOf(source))
  const model = await loadModel(folder)
  t.true((await model.hash()).startsWith('sha256:'))
  t.not(await model.hash(), await (await loadModel(source)).hash())
})

test('an index that leads out of the folder is refused', async t => {
  const folder = await temporaryFolder(t)
  await rewritten(folder, tensors =>
    inShards(folder, tensors, { 'model.norm.weight': '../model.safetensors' }),
  )
  await t.throwsAsync(loadModel(folder), { code: 'FILE_CORRUPT' })
})

/** The upper half of a float, rounded towards zero, and the float that it stands for. */
const bfloat = (value: number): { bits: number; value: number } => {
  const view = new DataView(new ArrayBuffer(4))
  view.setFloat32(0, value)
  view.setUint16(2, 0)
  return { bits: view.getUint16(0), value: view.getFloat32(0) }
}

/** The half float below a number's size, and the float that it stands for; numbers too small are 0. */
const half = (value: number): { bits: number; value: number } => {
  const size = Math.abs(value)
  const exponent = Math.floor(Math.log2(size))
  if (size === 0 || exponent < -14) return { bits: 0, value: 0 }
  const fraction = Math.floor((size / 2 ** exponent - 1) * 1024)
  const bits = (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | fraction
  return { bits, value: Math.sign(value) * (1 + fraction / 1024) * 2 ** exponent }
}

for (const [dtype, narrowed] of [
  ['bf16', bfloat],
  ['f16', half],
] as const)
  test(`weights of ${dtype} compute as what they are, widened`, async t => {
    const folder = await temporaryFolder(t)
    const header: Record<string, unknown> = {}
    const bits: number[] = []
    const wide: Record<string, Tensor> = {}
    await rewritten(folder, async tensors => {
      for (const [name, { shape, data }] of Object.entries(tensors)) {
        const halves = Array.from(data as Float32Array, narrowed)
        const offsets = [2 * bits.length, 2 * (bits.length + halves.length)]
        header[name] = { dtype: dtype.toUpperCase(), shape, data_offsets: offsets }
        bits.push(...halves.map(each => each.bits))
        wide[name] = createTensor(
          'f32',
          [...shape],
          Float32Array.from(halves, each => each.value),
        )
      }
      const text = Buffer.from(JSON.stringify(header))
      const length = Buffer.alloc(8)
      length.writeBigUInt64LE(BigInt(text.length))
      await writeFile(
        join(folder, 'model.safetensors'),
        Buffer.concat([length, text, new Uint8Array(Uint16Array.from(bits).buffer)]),
      )
    })
    const narrow = await logitsOf(folder)
    t.is((await loadModel(folder)).parameters.list()[0]!.dtype, dtype)
    // Another folder: the first file stays mapped.
    const other = await temporaryFolder(t)
    await rewritten(other, () => writeSafetensors(join(other, 'model.safetensors'), wide))
    t.deepEqual(narrow, await logitsOf(other))
  })

test('one weight in two files, a weight of integers, a header longer than its file', async t => {
  const folder = await temporaryFolder(t)
  await rewritten(folder, async tensors => {
    await inShards(folder, tensors)
    await copyFile(
      join(folder, 'model-00000-of-00003.safetensors'),
      join(folder, 'model-00001-of-00003.safetensors'),
    )
  })
  await t.throwsAsync(loadModel(folder), { code: 'FILE_CORRUPT', message: /Two files/ })
  await rewritten(folder, tensors =>
    writeSafetensors(join(folder, 'model.safetensors'), {
      ...tensors,
      'model.norm.weight': createTensor('i32', [16], new Int32Array(16)),
    }),
  )
  await t.throwsAsync(loadModel(folder), { code: 'MODEL_UNSUPPORTED_OP', message: /I32/ })
  await writeFile(join(folder, 'model.safetensors'), Buffer.from('ffffffffffffff7f7b7d', 'hex'))
  await t.throwsAsync(loadModel(folder), { code: 'FILE_CORRUPT', message: /header/ })
})
