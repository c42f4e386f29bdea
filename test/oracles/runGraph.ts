import type { Tensor } from '#lib/index.js'
import { native, settle } from '#lib/native.js'
import type { CompileOptions, GraphDescription, NativeTensor } from '#typings/addon.js'

export const parametersOf = (entries: Record<string, Tensor<'f32'>>) => {
  const list = Object.entries(entries)
  return native().createParameters(
    list.map(([name, { shape, data }]) => ({
      name,
      storage: native().storageFromBuffer(new Uint8Array(data.slice().buffer)),
      offset: 0,
      bytes: data.byteLength,
      dtype: 'f32' as const,
      shape: [...shape],
    })),
  )
}

/** Compiles and runs a graph; its outputs as lists of numbers. */
export async function runGraph(
  graph: GraphDescription,
  inputs: Record<string, Tensor>,
  weights: Record<string, Tensor<'f32'>> = {},
  options: CompileOptions = {},
) {
  const plan = await settle(() => native().createGraph(graph).compile(parametersOf(weights), options))
  const { outputs } = await settle(() => plan.run(inputs as Record<string, NativeTensor>, {}))
  return outputs.map(({ shape, data }) => ({ shape, data: Array.from(data as Float32Array, Number) }))
}
