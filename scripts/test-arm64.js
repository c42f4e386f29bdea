#!/usr/bin/env node
// `npm run test:arm64 [-- --filter TEXT] [-- --native-only]`: builds for arm64 Linux on this machine and tests under an
// emulator: the native tests, and, where ASCRIBE_ARM64_NODE names an arm64 Node, the addon in it with tests of operators,
// gradients and methods. Says what is missing and passes where there is no cross-compiler.
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { arm64Folder, arm64Tests, crossBuild, emulator, missingForBuild, systemRoot } from './cross-build.js'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const { values: options, positionals } = parseArgs({
  options: { filter: { type: 'string' }, 'native-only': { type: 'boolean', default: false } },
  allowPositionals: true,
})

const missing = [...missingForBuild(), ...(emulator() === undefined ? ['qemu-user-static'] : [])]
if (missing.length > 0) {
  console.log(`arm64 is not tested: apt-get install ${missing.join(' ')}`)
  process.exit(0)
}
const arm64Node = options['native-only'] ? undefined : process.env.ASCRIBE_ARM64_NODE
crossBuild(['ascribe_tests', ...(arm64Node === undefined ? [] : ['ascribe'])])

const emulate = [emulator(), '-L', systemRoot]
let failures = 0
const run = (command, args, env = {}) => {
  const { status } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  })
  if (status !== 0) failures++
}
run(emulate[0], [
  ...emulate.slice(1),
  arm64Tests,
  ...(options.filter === undefined ? [] : ['--filter', options.filter]),
])

if (arm64Node === undefined) {
  console.log('The addon is not tested in Node: ASCRIBE_ARM64_NODE names no arm64 binary of Node.')
} else {
  // Programs that tests start are this same one. The kernel cannot start a program of another machine by itself.
  const wrapper = path.join(arm64Folder, 'node')
  mkdirSync(arm64Folder, { recursive: true })
  writeFileSync(wrapper, `#!/bin/sh\nexec ${emulate.join(' ')} '${path.resolve(arm64Node)}' "$@"\n`)
  chmodSync(wrapper, 0o755)
  const preload = path.join(arm64Folder, 'exec-path.mjs')
  writeFileSync(preload, `process.execPath = ${JSON.stringify(wrapper)}\n`)
  const env = {
    ASCRIBE_PREBUILD: arm64Folder,
    PREBUILDS_ONLY: '1',
    NODE_OPTIONS: `--import=${preload}`,
  }
  const files =
    positionals.length > 0
      ? positionals
      : [
          'graph/language',
          'graph/contract',
          'model/derivatives',
          'model/batching',
          'determinism/determinism',
        ].map(name => `build/ts/test/${name}.test.js`)
  for (const file of files)
    if (!existsSync(path.join(root, file))) throw new Error(`${file} is not built: npm run build:ts`)
  // ava itself runs on this machine's Node; the processes that hold tests are arm64.
  run(
    process.execPath,
    ['node_modules/ava/entrypoints/cli.mjs', '--tap', '--timeout=20m', '--concurrency=1', ...files],
    env,
  )
}
process.exit(failures === 0 ? 0 : 1)
