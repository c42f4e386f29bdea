/**
 * Writes a range of scenes as npy files for the training script, which so needs no generator of its own:
 * `node build/ts/models/scenes/dump.js --out FOLDER --seed S --from I --count N [--badge POLICY] [--faded SHARE]`
 * gives pixels.npy [N,128,128,3], labels.npy [N], masks.npy [N,128,128] and badges.npy [N,5]
 * (x, y, width, height, symbol or -1).
 */
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type BadgePolicy, generateScene, SCENE_SIZE } from './generator.js'

function npyHeader(descriptor: string, shape: readonly number[]): Buffer {
  const tuple = `(${shape.join(', ')}${shape.length === 1 ? ',' : ''})`
  const text = `{'descr': '${descriptor}', 'fortran_order': False, 'shape': ${tuple}, }`
  const padded = `${text.padEnd(Math.ceil((10 + text.length + 1) / 64) * 64 - 11)}\n`
  const header = Buffer.alloc(10 + padded.length)
  header.write('\x93NUMPY\x01\x00', 'latin1')
  header.writeUInt16LE(padded.length, 8)
  header.write(padded, 10, 'latin1')
  return header
}

class NpyWriter {
  readonly #file: number

  constructor(path: string, descriptor: string, shape: readonly number[]) {
    this.#file = openSync(path, 'w')
    writeSync(this.#file, npyHeader(descriptor, shape))
  }

  append(values: Uint8Array | Int32Array): void {
    writeSync(this.#file, values)
  }

  close(): void {
    closeSync(this.#file)
  }
}

const { values } = parseArgs({
  options: {
    out: { type: 'string' },
    seed: { type: 'string' },
    from: { type: 'string', default: '0' },
    count: { type: 'string' },
    badge: { type: 'string', default: 'none' },
    faded: { type: 'string', default: '0' },
  },
})
const { out, seed, count: countText } = values
if (out === undefined || seed === undefined || countText === undefined)
  throw new Error('--out, --seed and --count are required')
const [from, count] = [Number(values.from), Number(countText)]
mkdirSync(out, { recursive: true })
const pixels = new NpyWriter(join(out, 'pixels.npy'), '|u1', [count, SCENE_SIZE, SCENE_SIZE, 3])
const labels = new NpyWriter(join(out, 'labels.npy'), '<i4', [count])
const masks = new NpyWriter(join(out, 'masks.npy'), '|u1', [count, SCENE_SIZE, SCENE_SIZE])
const badges = new NpyWriter(join(out, 'badges.npy'), '<i4', [count, 5])
for (let index = from; index < from + count; index++) {
  const scene = generateScene(index, {
    seed: Number(seed),
    badge: values.badge as BadgePolicy,
    fadedShare: Number(values.faded),
  })
  const { box, symbol } = scene.badge
  pixels.append(scene.pixels)
  labels.append(Int32Array.of(scene.label))
  masks.append(scene.objectMask)
  badges.append(Int32Array.of(box.x, box.y, box.width, box.height, symbol ?? -1))
}
for (const writer of [pixels, labels, masks, badges]) writer.close()
