import type { Environment } from '../attribution/types.js'
import { native } from '../native.js'

/** What a computation ran on, for results. */
export function engineEnvironment(device: string, chunk: number, precision = 'f32'): Environment {
  const engine = native().engine()
  return {
    device,
    isa: engine.isa,
    threads: engine.threadsPerLane,
    chunk,
    precision,
    versions: {
      ascribe: engine.version,
      ...Object.fromEntries(
        engine.backends.flatMap(b => (b.available && b.version ? [[b.name, b.version]] : [])),
      ),
    },
  }
}
