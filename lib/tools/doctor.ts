import type { BackendReport } from '#typings/addon.js'
import { native, settle } from '../native.js'
import { libraryVersion } from '../version.js'

/** What this machine and installation offer. */
export interface DoctorReport {
  readonly versions: {
    readonly ascribe: string
    readonly addon: string
    readonly node: string
    readonly libc: string
  }
  readonly platform: string
  readonly cpu: { readonly model: string; readonly features: readonly string[]; readonly isa: string }
  readonly engine: { readonly lanes: number; readonly threadsPerLane: number }
  readonly backends: readonly BackendReport[]
  /** Measured by a fixed probe outside the kernels: the floor that speeds are compared with. */
  readonly probe: {
    readonly threads: number
    readonly gflops: number
    readonly gflopsOneThread: number
    /** Of products of bf16; absent where there are none. */
    readonly bf16Gflops?: number
    readonly gigabytesPerSecond: number
  }
  /** Optional packages, and what they are for. */
  readonly packages: readonly {
    readonly name: string
    readonly purpose: string
    readonly version: string | undefined
  }[]
  /** What would make things better here. */
  readonly advice: readonly string[]
}

const optionalPackages = [
  { name: 'sharp', purpose: 'decoding pictures' },
  { name: 'onnxruntime-node', purpose: '`ascribe verify`' },
]

async function packageVersion(name: string): Promise<string | undefined> {
  try {
    const module = (await import(name)) as {
      default?: { versions?: Record<string, string> }
      env?: { versions?: Record<string, string> }
    }
    return module.default?.versions?.[name] ?? module.env?.versions?.node ?? 'installed'
  } catch {
    return undefined
  }
}

/**
 * Looks at this machine: versions, CPU features and the instruction set in use, lanes and threads, backends found (and
 * why not), and the speed that a fixed probe reaches.
 *
 * @throws AscribeError `BACKEND_UNAVAILABLE` where the addon itself cannot be loaded.
 */
export async function doctor(options: { signal?: AbortSignal } = {}): Promise<DoctorReport> {
  const engine = native().engine()
  const probe = await settle(() => native().probe(), options.signal)
  const header = (process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } })
    .header
  const packages = await Promise.all(
    optionalPackages.map(async each => ({ ...each, version: await packageVersion(each.name) })),
  )
  const advice = [
    ...engine.backends
      // Most machines have no GPU, and nothing to do about it; the list of backends says so.
      .filter(({ name, available }) => !available && name !== 'cuda')
      .map(({ name, reason }) => `Backend ${name} is not available: ${reason ?? 'no reason given'}`),
    ...packages
      .filter(({ version }) => version === undefined)
      .map(({ name, purpose }) => `${name} is needed for ${purpose}: npm install ${name}`),
    ...(engine.isa === 'baseline'
      ? [
          `The CPU has no ${process.arch === 'arm64' ? 'NEON' : 'AVX2'} (or it is switched off): everything will be slow.`,
        ]
      : []),
  ]
  return {
    versions: {
      ascribe: libraryVersion,
      addon: engine.version,
      node: process.versions.node,
      libc: header.glibcVersionRuntime === undefined ? 'not glibc' : `glibc ${header.glibcVersionRuntime}`,
    },
    platform: `${process.platform}-${process.arch}`,
    cpu: { model: engine.cpu, features: engine.features, isa: engine.isa },
    engine: { lanes: engine.lanes, threadsPerLane: engine.threadsPerLane },
    backends: engine.backends,
    probe,
    packages,
    advice,
  }
}
