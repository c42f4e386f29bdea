import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const fuzzer = fileURLToPath(new URL('fuzzBackends.js', import.meta.url))

test('random networks are the same forwards, backwards and along a direction by every backend', t => {
  const size = ['--seed', '1', '--count', '1500']
  const { status, stdout, stderr } = spawnSync(process.execPath, [fuzzer, ...size], { encoding: 'utf8' })
  t.is(status, 0, stdout + stderr)
  t.regex(stdout, /1500 networks/)
})
