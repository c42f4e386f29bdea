import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createTensor, type Tensor } from '#lib/index.js'
import { repositoryRoot } from './repository.js'

/** Small checkpoints with random weights, and what transformers computes with them: bench/checkpoints/record.py. */
export const checkpointsFolder = join(repositoryRoot, 'test', 'fixtures', 'checkpoints')

export const checkpointNames: readonly string[] = readdirSync(checkpointsFolder).toSorted()

export const checkpointFolder = (name: string): string => join(checkpointsFolder, name)

interface RecordedTensor {
  shape: number[]
  data: number[]
}

export interface RecordedCheckpoint {
  inputs: Record<string, Tensor>
  outputs: Record<string, RecordedTensor>
  /** Of the logit `target` of the first text, in its word embeddings. */
  explained?: { target: number; gradient: RecordedTensor; attnLrp: RecordedTensor }
  /** Probabilities of the last layer for the first text, [heads, queries, keys]. */
  attention?: RecordedTensor
  /** A continuation of `prompt` by the most likely token, 200 tokens long. */
  greedy?: number[]
  prompt?: number[]
}

export const idsTensor = (rows: readonly (readonly number[])[]): Tensor =>
  createTensor('i64', [rows.length, rows[0]!.length], BigInt64Array.from(rows.flat(), BigInt))

export function recordedCheckpoint(name: string): RecordedCheckpoint {
  const recorded = JSON.parse(readFileSync(join(checkpointFolder(name), 'recorded.json'), 'utf8')) as {
    inputs: Record<string, number[][] | RecordedTensor>
  } & Omit<RecordedCheckpoint, 'inputs'>
  const inputs = Object.entries(recorded.inputs).map(([key, value]) => [
    key,
    Array.isArray(value) ? idsTensor(value) : createTensor('f32', value.shape, Float32Array.from(value.data)),
  ])
  return { ...recorded, inputs: Object.fromEntries(inputs) }
}

/** max|a - b| / max|b| */
export function relativeError(actual: ArrayLike<number | bigint>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY
  let [difference, greatest] = [0, 0]
  for (let at = 0; at < expected.length; at++) {
    difference = Math.max(difference, Math.abs(Number(actual[at]) - expected[at]!))
    greatest = Math.max(greatest, Math.abs(expected[at]!))
  }
  return difference / greatest
}
