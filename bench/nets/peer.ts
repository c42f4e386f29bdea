import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { flags, type Timed, threads } from '../harness.js'

export type Variant = 'plain' | 'channels_last' | 'compile'

/** How the peer runs something: its memory layout or compiler, and Captum's internal batch (null: its default). */
export interface PeerWay {
  variant: Variant
  inner?: number | null
}

export interface PeerRun extends Partial<PeerWay> {
  net: string
  batch: number
  steps?: number
}

export type PeerTask = 'forward' | 'gradient' | 'integrated' | 'smooth'

export interface TorchPeer {
  versions: Record<string, string>
  load(net: string): Promise<{ file: string; shape: number[] }>
  run(what: PeerTask, run: PeerRun): Promise<Timed>
  /** Milliseconds that processors worked for it: what can be told apart on a busy machine. */
  busy(what: PeerTask, run: PeerRun): Promise<Timed>
  peak(run: PeerRun): Promise<number>
  /** Writes outputs and gradients beside the inputs. */
  values(run: PeerRun): Promise<void>
  end(): void
}

/** A Python process that runs one thing at a time and says how long it took. */
export async function startPeer(python: string, folder: string): Promise<TorchPeer> {
  const script = join(import.meta.dirname, '../../../../bench/nets/peer.py')
  const child = spawn(python, [script, folder, String(threads)], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async () => {
    const { value, done } = await lines.next()
    if (done) throw new Error('The peer ended')
    const answer = JSON.parse(value)
    if (answer.error !== undefined) throw new Error(answer.error)
    return answer
  }
  const ask = (question: object) => {
    child.stdin.write(`${JSON.stringify(question)}\n`)
    return next()
  }
  return {
    versions: await next(),
    load: net => ask({ do: 'load', net }),
    run: async (what, run) => ({ milliseconds: (await ask({ do: what, ...run })).milliseconds }),
    busy: async (what, run) => ({ milliseconds: (await ask({ do: what, ...run })).busy }),
    peak: async run => (await ask({ do: 'peak', ...run })).megabytes,
    values: run => ask({ do: 'values', ...run }),
    end: () => child.stdin.end(),
  }
}

/**
 * Ways of PyTorch that take part. Its compiler needs one for C++, and minutes for each net where its cache
 * (TORCHINDUCTOR_CACHE_DIR) is cold, so it is asked for.
 */
export const variants: readonly Variant[] = [
  'plain',
  'channels_last',
  ...(flags.compile ? (['compile'] as const) : []),
]

/** The fastest of the peer's ways by the best of two runs each, after one to warm up. */
export async function bestVariant(
  peer: TorchPeer,
  what: 'forward' | 'gradient',
  run: PeerRun,
): Promise<{ variant: Variant; milliseconds: number }> {
  let best: { variant: Variant; milliseconds: number } | undefined
  for (const variant of variants) {
    try {
      await peer.run(what, { ...run, variant })
      for (let i = 0; i < 2; ++i) {
        const { milliseconds } = await peer.run(what, { ...run, variant })
        if (best === undefined || milliseconds < best.milliseconds) best = { variant, milliseconds }
      }
    } catch (error) {
      console.log(`${run.net}: PyTorch's ${variant} is left out: ${(error as Error).message}`)
    }
  }
  if (best === undefined) throw new Error('The peer cannot run this net')
  return best
}
