#!/usr/bin/env node
// `npm run package`: compiles everything, puts the binaries into prebuilds/ with prebuildify, bundles the JavaScript,
// packs the tarball and says what is in it. The tarball installs with no compiler, no install script and no system
// library. `npm run package -- --arm64` puts a cross-built binary for arm64 Linux beside this machine's own.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundle } from './bundle.js'
import { arm64Folder, crossBuild, missingForBuild } from './cross-build.js'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const node = process.execPath

function run(command, args, env = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    env: { ...process.env, ...env },
  })
  if (result.status !== 0) {
    process.stdout.write(result.stdout ?? '')
    console.error(`${command} ${args.join(' ')} failed`)
    process.exit(result.status ?? 1)
  }
  return result.stdout
}

const withArm64 = process.argv.includes('--arm64')
if (withArm64 && missingForBuild().length > 0) {
  console.error(`--arm64 needs a cross-compiler: apt-get install ${missingForBuild().join(' ')}`)
  process.exit(1)
}
rmSync(path.join(root, 'dist'), { recursive: true, force: true })
rmSync(path.join(root, 'prebuilds'), { recursive: true, force: true })
run(node, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'])
run(
  node,
  ['node_modules/prebuildify/bin.js', '--napi', '--strip', '--tag-libc', `--target=${process.versions.node}`],
  {
    PREBUILD_NODE_GYP: path.join(root, 'scripts', 'prebuild.js'),
  },
)

if (withArm64) {
  crossBuild(['ascribe'])
  cpSync(path.join(arm64Folder, 'prebuilds'), path.join(root, 'prebuilds'), { recursive: true })
}

// What is packed stands in a folder of its own: the checkout's tests and benches import single modules of dist/.
const staged = path.join(root, 'build', 'package')
rmSync(staged, { recursive: true, force: true })
mkdirSync(staged, { recursive: true })
const { files } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
for (const name of ['package.json', 'README.md', ...files])
  cpSync(path.join(root, name), path.join(staged, name), {
    recursive: true,
    filter: file => !(file.startsWith(path.join(root, 'dist')) && /\.(js|map)$/.test(file)),
  })
// protobuf states its licences at the head of its modules, which the bundle keeps.
cpSync(path.join(root, 'node_modules/pure-rand/LICENSE'), path.join(staged, 'dist/LICENSE.pure-rand'))
await bundle(path.join(root, 'dist'), path.join(staged, 'dist'))
const [packed] = JSON.parse(
  run('npm', ['pack', staged, '--json', '--ignore-scripts', '--pack-destination', root]),
)
const megabytes = bytes => `${(bytes / 1e6).toFixed(1)} MB`
for (const platform of readdirSync(path.join(root, 'prebuilds')))
  for (const file of readdirSync(path.join(root, 'prebuilds', platform)))
    console.log(
      `${platform}/${file}  ${megabytes(statSync(path.join(root, 'prebuilds', platform, file)).size)}`,
    )
console.log(
  `${packed.filename}: ${megabytes(packed.size)} packed, ${megabytes(packed.unpackedSize)} unpacked, ${packed.entryCount} files`,
)
