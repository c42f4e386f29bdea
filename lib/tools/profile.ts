import type { NodeProfile } from '#typings/addon.js'
import { escapeTerminal } from '../report/escape.js'

/** A run's nodes as a trace that chrome://tracing and Perfetto read; times in microseconds. */
export function chromeTrace(profile: readonly NodeProfile[]): object {
  return {
    displayTimeUnit: 'ms',
    traceEvents: profile.map(({ node, op, kernel, startMs, milliseconds, flops, bytes }) => ({
      name: node || op,
      cat: op,
      ph: 'X',
      pid: 1,
      tid: 1,
      ts: startMs * 1000,
      dur: milliseconds * 1000,
      args: { kernel, gflops: flops / (milliseconds * 1e6), bytes },
    })),
  }
}

/** A run's nodes as text: those that took longest, then the sums by kernel. */
export function profileTable(profile: readonly NodeProfile[], count = 20): string {
  const total = profile.reduce((sum, { milliseconds }) => sum + milliseconds, 0)
  const line = (name: string, milliseconds: number, flops: number, bytes: number, calls: string): string =>
    [
      milliseconds.toFixed(3).padStart(9),
      `${((100 * milliseconds) / (total || 1)).toFixed(1)} %`.padStart(8),
      (milliseconds > 0 ? flops / (milliseconds * 1e6) : 0).toFixed(1).padStart(9),
      (milliseconds > 0 ? bytes / (milliseconds * 1e6) : 0).toFixed(1).padStart(8),
      calls.padStart(6),
      `  ${escapeTerminal(name)}`,
    ].join('')
  const head = '       ms   share  GFLOP/s    GB/s calls  '
  const slowest = [...profile].sort((a, b) => b.milliseconds - a.milliseconds).slice(0, count)
  const kernels = new Map<string, { milliseconds: number; flops: number; bytes: number; calls: number }>()
  for (const { kernel, milliseconds, flops, bytes } of profile) {
    const sum = kernels.get(kernel) ?? { milliseconds: 0, flops: 0, bytes: 0, calls: 0 }
    kernels.set(kernel, {
      milliseconds: sum.milliseconds + milliseconds,
      flops: sum.flops + flops,
      bytes: sum.bytes + bytes,
      calls: sum.calls + 1,
    })
  }
  return [
    `${head}node`,
    ...slowest.map(({ node, op, kernel, milliseconds, flops, bytes }) =>
      line(`${node || op} (${kernel})`, milliseconds, flops, bytes, '1'),
    ),
    '',
    `${head}kernel`,
    ...[...kernels]
      .sort((a, b) => b[1].milliseconds - a[1].milliseconds)
      .map(([kernel, { milliseconds, flops, bytes, calls }]) =>
        line(kernel, milliseconds, flops, bytes, String(calls)),
      ),
  ].join('\n')
}
