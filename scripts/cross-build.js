// The addon and the native tests for arm64 Linux, built on another machine with Debian's cross-compiler. A folder of its own
// (build/arm64), so that the build for this machine stays as it is.
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const folder = path.join(root, 'build', 'arm64')
const prefix = 'aarch64-linux-gnu'

/** Where that machine's C and C++ libraries lie, for the emulator. */
export const systemRoot = `/usr/${prefix}`
/** Holds `prebuilds/`, where node-gyp-build looks if ASCRIBE_PREBUILD says so. */
export const arm64Folder = folder
export const arm64Tests = path.join(folder, 'cmake', 'ascribe_tests')

const works = command => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0

/** What is missing, as Debian packages. */
export function missingForBuild() {
  return [
    ['cmake', 'cmake'],
    ['ninja', 'ninja-build'],
    [`${prefix}-g++`, `g++-${prefix}`],
  ].flatMap(([command, name]) => (works(command) ? [] : [name]))
}

/** The emulator's command, or undefined. */
export function emulator() {
  return ['qemu-aarch64-static', 'qemu-aarch64'].find(works)
}

function run(command, args) {
  if (spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] }).status !== 0)
    throw new Error(`${command} ${args.join(' ')} failed`)
}

/**
 * Builds `targets` (`ascribe`, `ascribe_tests`) and, if the addon is among them, puts it without its symbols where
 * node-gyp-build finds it on arm64. oneDNN and CUDA are left out: the portable kernels do everything.
 */
export function crossBuild(targets) {
  const output = path.join(folder, 'cmake')
  run('cmake', [
    ...['-S', root, '-B', output, '-G', 'Ninja'],
    `-DCMAKE_TOOLCHAIN_FILE=${path.join(root, 'native/cmake', `${prefix}.cmake`)}`,
    `-DCMAKE_JS_INC=${path.join(root, 'node_modules/node-api-headers/include')}`,
    `-DCMAKE_LIBRARY_OUTPUT_DIRECTORY=${path.join(folder, 'Release')}`,
    '-DASCRIBE_NVCC=ASCRIBE_NVCC-NOTFOUND',
  ])
  run('ninja', ['-C', output, '-j', String(availableParallelism()), ...targets])
  if (!targets.includes('ascribe')) return
  const prebuilds = path.join(folder, 'prebuilds', 'linux-arm64')
  // The name that prebuildify gives, with --tag-libc.
  const addon = path.join(prebuilds, 'ascribe.glibc.node')
  mkdirSync(prebuilds, { recursive: true })
  copyFileSync(path.join(folder, 'Release', 'ascribe.node'), addon)
  run(`${prefix}-strip`, ['--strip-all', addon])
}
