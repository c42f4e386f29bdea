#!/usr/bin/env node
// `npm test`: sets a fresh clone up, then runs the native tests and the TypeScript tests. Each runner's outcome is
// repeated as a line "N passed, N failed".
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const node = process.execPath
// Numbers of the tests are the processor's, also where there is a GPU; tests of devices name theirs.
const env = { ASCRIBE_DEVICE: 'cpu', ...process.env }
const run = (command, args, options = {}) =>
  spawnSync(command, args, { cwd: root, stdio: 'inherit', env, ...options })

if (run(node, ['scripts/setup.js']).status !== 0) process.exit(1)

let failures = 0
const native = ['build/cmake/ascribe_tests', 'build/cmake/Release/ascribe_tests']
  .map(file => path.join(root, file))
  .find(existsSync)
if (native) failures += run(native, []).status === 0 ? 0 : 1
else console.log('The native test runner was not built (no CMake); its cases are skipped.')

const ava = run(node, ['node_modules/ava/entrypoints/cli.mjs', '--tap'], {
  stdio: ['ignore', 'pipe', 'inherit'],
  maxBuffer: 1 << 30,
  encoding: 'utf8',
})
const lines = (ava.stdout ?? '').split('\n')
for (const line of lines) if (!/^ok /.test(line)) console.log(line)
const ok = lines.filter(line => /^ok /.test(line)).length
const notOk = lines.filter(line => /^not ok /.test(line)).length
console.log(`TypeScript: ${ok} passed, ${notOk} failed`)
if (ava.status !== 0) failures++
process.exit(failures === 0 ? 0 : 1)
