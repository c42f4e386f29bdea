import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const fuzzer = fileURLToPath(new URL('fuzzNpy.js', import.meta.url))

test('damaged npy files give a tensor or an error of corrupt files', t => {
  const size = ['--seed', '1', '--count', '40000']
  const { status, stdout, stderr } = spawnSync(process.execPath, [fuzzer, ...size], { encoding: 'utf8' })
  t.is(status, 0, stdout + stderr)
  t.regex(stdout, /\d+ {2}ok/)
})
