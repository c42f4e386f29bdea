import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { native } from '#lib/native.js'

interface Line {
  model: string
  hash: string
  batch: number
  chunked: number
}

/** A process of its own: instruction sets are chosen once. */
function compute(isa: string, precision = 'f32'): Line[] {
  const program = fileURLToPath(new URL('program.js', import.meta.url))
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, precision], {
    encoding: 'utf8',
    env: { ...process.env, ASCRIBE_MAX_ISA: isa },
  })
  if (status !== 0) throw new Error(stdout + stderr)
  return stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
}

const hasBf16 = native().engine().precisions.includes('bf16')

for (const [isa, precision] of [
  ['avx512', 'f32'],
  ['avx2', 'f32'],
  ['baseline', 'f32'],
  ...(hasBf16 ? [['avx512_bf16', 'bf16']] : []),
] as [string, string][])
  test.serial(`with ${isa} at most: the same bits again, and within 1e-5 whatever the batch`, t => {
    const [first, second] = [compute(isa, precision), compute(isa, precision)]
    t.true(first.length > 10)
    for (const [at, { model, hash, batch, chunked }] of first.entries()) {
      t.is(second[at]!.hash, hash, model)
      t.true(batch <= 1e-5, `${model}: ${batch} across batch sizes`)
      t.true(chunked <= 1e-5, `${model}: ${chunked} across chunk sizes`)
    }
  })
