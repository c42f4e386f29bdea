import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import test from 'ava'

interface Line {
  model: string
  hash: string
  batch: number
  chunked: number
}

/** A process of its own: instruction sets are chosen once. */
function compute(isa: string): Line[] {
  const program = fileURLToPath(new URL('program.js', import.meta.url))
  const { status, stdout, stderr } = spawnSync(process.execPath, [program], {
    encoding: 'utf8',
    env: { ...process.env, ASCRIBE_MAX_ISA: isa },
  })
  if (status !== 0) throw new Error(stdout + stderr)
  return stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
}

for (const isa of ['avx512', 'avx2', 'baseline'])
  test.serial(`with ${isa} at most: the same bits again, and within 1e-5 whatever the batch`, t => {
    const [first, second] = [compute(isa), compute(isa)]
    t.true(first.length > 10)
    for (const [at, { model, hash, batch, chunked }] of first.entries()) {
      t.is(second[at]!.hash, hash, model)
      t.true(batch <= 1e-5, `${model}: ${batch} across batch sizes`)
      t.true(chunked <= 1e-5, `${model}: ${chunked} across chunk sizes`)
    }
  })
