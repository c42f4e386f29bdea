#!/usr/bin/env node
// Builds the addon and its backend libraries through the one CMake graph and puts them into build/Release, where
// node-gyp-build looks. node-gyp (and so prebuildify) comes here through binding.gyp; `npm run build:native` directly.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { buildWithoutCMake } from './build-without-cmake.js'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const { values: options } = parseArgs({
  options: {
    config: { type: 'string', default: 'Release' },
    destination: { type: 'string', default: 'build/Release' },
    output: { type: 'string', default: 'build/cmake' },
  },
})

const output = path.resolve(root, options.output)
const destination = path.resolve(root, options.destination)
const hasCMake = spawnSync('cmake', ['--version'], { stdio: 'ignore' }).status === 0

if (hasCMake) {
  const cmakeJs = path.join(root, 'node_modules', 'cmake-js', 'bin', 'cmake-js')
  const result = spawnSync(
    process.execPath,
    [
      cmakeJs,
      'build',
      '--out',
      output,
      '--config',
      options.config,
      '--parallel',
      String(availableParallelism()),
    ],
    { cwd: root, stdio: 'inherit' },
  )
  if (result.status !== 0) process.exit(result.status ?? 1)
} else {
  console.log(
    'cmake is not installed: building with the compiler alone (portable kernels, no backend libraries)',
  )
  await buildWithoutCMake(root, path.join(output, 'Release'))
}

// cmake-js puts libraries into <out>/Release; a rename keeps a library that is loaded right now intact.
const built = path.join(output, 'Release')
mkdirSync(destination, { recursive: true })
for (const file of readdirSync(built)) {
  if (!/\.node$|\.so(\.\d+)*$|\.dylib$|\.dll$/.test(file)) continue
  const temporary = path.join(destination, `.${file}.${process.pid}`)
  copyFileSync(path.join(built, file), temporary)
  renameSync(temporary, path.join(destination, file))
}
if (!existsSync(path.join(destination, 'ascribe.node'))) {
  console.error('the build produced no ascribe.node')
  process.exit(1)
}
