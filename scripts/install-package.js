#!/usr/bin/env node
// `node scripts/install-package.js FOLDER`: packs the project and installs the tarball into a project of its own there,
// without scripts, as a user would; prints the installed package's folder (what benches take as --package).
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const folder = process.argv[2]
if (folder === undefined) throw new Error('Which folder? node scripts/install-package.js FOLDER')

function run(command, args, cwd) {
  const { status } = spawnSync(command, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] })
  if (status !== 0) process.exit(status ?? 1)
}

run(process.execPath, [path.join(root, 'scripts/package.js')], root)
const tarball = readdirSync(root)
  .filter(name => /^ascribe-.*\.tgz$/.test(name))
  .sort()
  .at(-1)
mkdirSync(folder, { recursive: true })
writeFileSync(path.join(folder, 'package.json'), '{ "private": true }\n')
run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', path.join(root, tarball)], folder)
console.log(path.resolve(folder, 'node_modules/ascribe'))
