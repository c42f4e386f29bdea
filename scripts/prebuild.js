#!/usr/bin/env node
// What prebuildify calls in place of node-gyp: the one build, without node-gyp's flags and header download, and then
// the libraries that the oneDNN backend needs, put beside it so that they travel in prebuilds/ too.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, realpathSync, rmSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const release = path.join(root, 'build', 'Release')
const built = spawnSync(process.execPath, [path.join(root, 'scripts', 'build-native.js')], {
  cwd: root,
  stdio: 'inherit',
})
if (built.status !== 0) process.exit(built.status ?? 1)

// Far larger than all the rest, and of no use to most: the CUDA backend is not part of this package.
rmSync(path.join(release, 'libascribe_cuda.so'), { force: true })

/** Every Linux has these (they belong to its C and C++ runtime), and they must be its own. */
const ofTheSystem = /^(ld-linux|linux-vdso|libc|libm|libdl|libpthread|librt|libstdc\+\+|libgcc_s)[.-]/

const backend = path.join(release, 'libascribe_onednn.so')
if (!existsSync(backend)) {
  console.log('No oneDNN backend was built: the package has the portable kernels alone.')
  process.exit(0)
}
const listed = spawnSync('ldd', [backend], { encoding: 'utf8' })
if (listed.status !== 0) throw new Error(`ldd failed: ${listed.stderr}`)
for (const line of listed.stdout.split('\n')) {
  const [, name, file] = /^\s*(\S+) => (\/\S+)/.exec(line) ?? []
  if (name === undefined || ofTheSystem.test(name)) {
    if (/not found/.test(line)) throw new Error(`a library of the oneDNN backend is missing:${line}`)
    continue
  }
  const target = path.join(release, name)
  if (realpathSync(file) !== target) copyFileSync(realpathSync(file), target)
  console.log(`with ${name}`)
}
