import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { flags, threads } from '../harness.js'
import type { Setting } from './results.js'

export type Library = typeof import('#lib/index.js')

const checkout = join(import.meta.dirname, '../../../..')

/** The files that compute: the addon, its backends, and the modules of JavaScript. */
function builtFiles(root: string): string[] {
  const isBuilt = (file: string) => /\.(node|so(\.\d+)*|c?js)$/.test(file)
  return ['dist', 'prebuilds', 'build/Release']
    .flatMap(folder => {
      try {
        return readdirSync(join(root, folder), { recursive: true }).map(file =>
          join(root, folder, String(file)),
        )
      } catch {
        return []
      }
    })
    .filter(isBuilt)
    .sort()
}

/**
 * The library as users have it: from `--package FOLDER`, an installed tarball (`scripts/install-package.js` makes one), or
 * from this checkout. Through its public interface alone, so that both are raced alike.
 */
export async function openLibrary(): Promise<{ library: Library; setting: Setting; peakGflops: number }> {
  // Read by the engine when it starts.
  process.env.ASCRIBE_LANES = '1'
  process.env.ASCRIBE_THREADS = String(threads)
  const root = flags.package ?? checkout
  const library = (await import(pathToFileURL(join(root, 'dist/index.js')).href)) as Library
  const report = await library.doctor()
  const hash = createHash('sha256')
  for (const file of builtFiles(root)) hash.update(readFileSync(file))
  return {
    library,
    peakGflops: report.probe.gflops,
    setting: {
      cpu: cpus()[0]?.model ?? 'unknown',
      threads,
      versions: { ascribe: report.versions.ascribe, node: report.versions.node },
      build: hash.digest('hex').slice(0, 16),
      isPacked: flags.package !== undefined,
    },
  }
}
