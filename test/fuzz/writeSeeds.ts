import { mkdirSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { onnxCases } from '../oracles/onnxCases/index.js'
import { writeModel } from '../oracles/onnxWriter.js'

/**
 * Writes seeds of the native scan fuzzer: a byte that chooses how the rest is read (test/fuzz/native/scan_fuzz.cpp), and
 * a model. They are the ONNX cases, and tensors in every data field and in files.
 *
 *   node build/ts/test/fuzz/writeSeeds.js --to FOLDER
 */
const { values: options } = parseArgs({ options: { to: { type: 'string' } } })
const folder = options.to ?? 'build/fuzz/seeds/scan'
const choices = { payloads: 1, file: 2, copy: 4 }

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)]
}
const number = (field: number, value: number): number[] => [...varint(field << 3), ...varint(value)]
const block = (field: number, bytes: number[]): number[] => [
  ...varint((field << 3) | 2),
  ...varint(bytes.length),
  ...bytes,
]
const text = (value: string): number[] => [...Buffer.from(value)]
const raw = (array: Float32Array | Float64Array): number[] => [...Buffer.from(array.buffer)]

/** Fields of a TensorProto behind its dimensions; the onnx.proto of this repository leaves out what the scan decodes. */
const tensors: Record<string, [size: number, type: number, rest: number[], choice?: number]> = {
  floats: [3, 1, block(4, raw(Float32Array.of(1, 2, 3)))],
  'floats-unpacked': [2, 1, [4 * 8 + 5, 0, 0, 128, 63, 4 * 8 + 5, 0, 0, 0, 64]],
  doubles: [2, 11, block(10, raw(Float64Array.of(1, 2)))],
  int32: [2, 6, block(5, [1, 255, 255, 255, 255, 15])],
  half: [2, 10, [...number(5, 0x3c00), ...number(5, 1)]],
  int4: [3, 22, block(5, [0x21, 3])],
  int64: [2, 7, block(7, [5, ...varint(600)])],
  uint64: [1, 13, block(11, [9])],
}
const external = (location: string): number[] => [
  ...block(13, [...block(1, text('location')), ...block(2, text(location))]),
  ...block(13, [...block(1, text('offset')), ...block(2, text('4'))]),
  ...block(13, [...block(1, text('length')), ...block(2, text('8'))]),
  ...number(14, 1),
]
for (const [name, location] of Object.entries({
  inside: 'w',
  below: 'd/../w',
  outside: '../secret',
  folder: 'd',
}))
  for (const [mode, choice] of Object.entries({ map: choices.file, copy: choices.file | choices.copy }))
    tensors[`external-${name}-${mode}`] = [2, 1, external(location), choice | choices.payloads]

mkdirSync(folder, { recursive: true })
let count = 0
function write(name: string, choice: number, bytes: Uint8Array | number[]): void {
  writeFileSync(`${folder}/${name.replace(/[^A-Za-z0-9.-]+/g, '_')}`, Buffer.from([choice, ...bytes]))
  count++
}
for (const [name, [size, type, rest, choice]] of Object.entries(tensors))
  write(
    name,
    choice ?? 0,
    block(7, block(5, [...block(1, varint(size)), ...number(2, type), ...block(8, text('w')), ...rest])),
  )
// The scan sees operators as text: one model of each size is enough.
const sizes = new Set<number>()
for (const { name, model } of onnxCases) {
  const bytes = writeModel(model)
  if (bytes.length > 4096 || sizes.has(bytes.length)) continue
  sizes.add(bytes.length)
  write(name, count % 2 ? choices.payloads : 0, bytes)
}
console.log(`${count} seeds in ${folder}`)
