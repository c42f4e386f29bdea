import test from 'ava'
import { runProgram } from '../oracles/runProgram.js'

test('a model that goes takes all its native memory with it', async t => {
  const { code, stdout, stderr } = await runProgram('disposeAll')
  t.is(code, 0, stderr)
  const bytes = JSON.parse(stdout) as number[]
  t.log(bytes)
  for (let round = 0; round < 3; round++) {
    const [before, within, after] = bytes.slice(3 * round) as [number, number, number]
    t.true(within > before + 100_000, 'the plans hold their weights')
    t.is(after, before)
  }
})
