#!/usr/bin/env node
// Everything between a fresh clone and a built project: system packages where they may be installed, npm packages,
// native and TypeScript build. Uses nothing but Node itself, and skips whatever is already done.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const stateFolder = path.join(root, 'build', '.setup')

const works = (command, args = ['--version']) => spawnSync(command, args, { stdio: 'ignore' }).status === 0

function run(command, args, label) {
  console.log(`\n> ${label}`)
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  })
  if (result.error) throw result.error
  return result.status === 0
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if ((major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major >= 24) return
  console.error(`Node ${process.versions.node} is too old: 20.19, 22.12 or 24 and newer are supported.`)
  process.exit(1)
}

/** What is missing, as Debian packages; `needed` ones stop the build, the others only cost speed. */
function missingPackages() {
  const missing = []
  if (!works('g++') && !works('clang++')) missing.push({ name: 'g++', needed: true })
  if (!works('cmake')) missing.push({ name: 'cmake', needed: false })
  if (!works('make') && !works('ninja')) missing.push({ name: 'make', needed: false })
  if (
    !['/usr/include/oneapi/dnnl/dnnl.h', '/usr/local/include/oneapi/dnnl/dnnl.h'].some(file =>
      existsSync(file),
    )
  )
    missing.push({ name: 'libdnnl-dev', needed: false })
  return missing
}

function installSystemPackages() {
  let missing = missingPackages()
  if (missing.length === 0) return
  const names = missing.map(entry => entry.name)
  const debian = works('apt-get')
  if (debian && process.getuid?.() === 0) {
    run('apt-get', ['update', '-qq'], 'apt-get update')
    run(
      'apt-get',
      ['install', '-y', '-qq', '--no-install-recommends', ...names],
      `apt-get install ${names.join(' ')}`,
    )
    missing = missingPackages()
    if (missing.length === 0) return
  }
  const command = debian
    ? `sudo apt-get install -y ${missing.map(e => e.name).join(' ')}`
    : `install ${missing.map(e => e.name).join(', ')}`
  if (missing.some(entry => entry.needed)) {
    console.error(`\nA C++20 compiler is needed. Please run:\n  ${command}`)
    process.exit(1)
  }
  console.log(
    `\nNot installed: ${missing.map(e => e.name).join(', ')}. Going on with the portable kernels; for full speed run:\n  ${command}\nand then this command again.`,
  )
}

/** Runs `work` unless it last succeeded with the same content of `files`. */
function once(name, files, ready, work) {
  const hash = createHash('sha256')
  for (const file of files) hash.update(readFileSync(path.join(root, file)))
  const digest = hash.digest('hex')
  const marker = path.join(stateFolder, name)
  if (ready() && existsSync(marker) && readFileSync(marker, 'utf8') === digest) return
  if (!work()) {
    console.error(`\n${name} failed; see above.`)
    process.exit(1)
  }
  mkdirSync(stateFolder, { recursive: true })
  writeFileSync(marker, digest)
}

checkNode()
installSystemPackages()
once(
  'npm packages',
  ['package.json', 'package-lock.json'],
  () => existsSync(path.join(root, 'node_modules', 'typescript')),
  () => run('npm', ['ci'], 'npm ci'),
)
if (!run(process.execPath, ['scripts/build-native.js'], 'native build')) process.exit(1)
if (!run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'], 'TypeScript build'))
  process.exit(1)
if (
  !run(
    process.execPath,
    ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.test.json'],
    'tests, benches and examples build',
  )
)
  process.exit(1)
