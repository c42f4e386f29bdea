/** What races leave behind: one JSON line for the setting, one for each case, its rounds in full. */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import type { PeerWay } from '../nets/peer.js'

export const kinds = ['forward', 'gradient', 'integrated', 'smooth'] as const
export type Kind = (typeof kinds)[number]
export type Side = 'ours' | 'onnxruntime' | 'pytorch'

/** Milliseconds of all sides, one after the other. */
export type Round = Partial<Record<Side, number>> & { ours: number }

/** Who ran where. Rounds of another setting are not added to. */
export interface Setting {
  cpu: string
  threads: number
  versions: Record<string, string>
  /** Of the library that was raced, its addon and JavaScript: sixteen digits of their SHA-256. */
  build: string
  isPacked: boolean
}

/** What a peer's ways took in the pilot: milliseconds, or why there are none. */
export type Pilot = Record<string, number | string>

export interface CaseResult {
  kind: Kind
  net: string
  batch: number
  /** PyTorch's way that was raced. */
  way?: PeerWay
  pilot?: Pilot
  rounds: Round[]
  /** Of one evaluation, by the engine's count. */
  gigaflops?: number
  /** The probe's peak beside it. */
  peakGflops?: number
  /** Distance from the peer's numbers: greatest relative one forwards, relative L2 of gradients. */
  error?: number
}

export interface Results {
  setting: Setting
  cases: CaseResult[]
}

export const nameOf = ({ net, batch }: Pick<CaseResult, 'net' | 'batch'>): string => `${net} x${batch}`

export function readResults(file: string): Results | undefined {
  if (!existsSync(file)) return undefined
  const [setting, ...cases] = readFileSync(file, 'utf8')
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line))
  return setting === undefined ? undefined : { setting, cases }
}

/** Whole or not at all: a race may be cut at any time. */
export function writeResults(file: string, { setting, cases }: Results): void {
  writeFileSync(`${file}.part`, [setting, ...cases].map(line => `${JSON.stringify(line)}\n`).join(''))
  renameSync(`${file}.part`, file)
}

/** The results in the file where they are of the same setting; else new ones. */
export function resumeResults(file: string | undefined, setting: Setting): Results {
  const before = file === undefined ? undefined : readResults(file)
  if (before !== undefined && JSON.stringify(before.setting) === JSON.stringify(setting)) return before
  if (before !== undefined) {
    console.log(`${file} is of another build or setting: it begins anew, and keeps what its pilots found`)
    const cases = before.cases.map(({ kind, net, batch, pilot }) => ({
      ...{ kind, net, batch, rounds: [] },
      ...(pilot ? { pilot } : {}),
    }))
    return { setting, cases }
  }
  return { setting, cases: [] }
}
