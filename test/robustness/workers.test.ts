import test from 'ava'
import { runProgram } from '../oracles/runProgram.js'

test('ending 100 workers in the middle of a job does not crash the process', async t => {
  t.timeout(300_000)
  t.deepEqual(await runProgram('terminateWorkers'), {
    code: 0,
    signal: null,
    stdout: '100 workers ended\n',
    stderr: '',
  })
})

test('process.exit in the middle of jobs leaves with its code, whatever they are at', async t => {
  t.timeout(120_000)
  // Models are compiled meanwhile: once in eight, exit() used to find a lane inside a library that it was taking apart.
  for (let run = 0; run < 10; run++)
    t.deepEqual(await runProgram('exitDuringJob'), { code: 7, signal: null, stdout: '', stderr: '' })
})
