import { arrayConstructors, type Tensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import type { BlackBox } from '../frontends/blackbox/blackBox.js'
import { stack } from '../model/stack.js'
import { expectInteger } from '../validate.js'
import { type OutputRow, rowOf } from './blackBoxTarget.js'
import { type Coalition, isMember } from './coalition.js'
import type { CoalitionEvaluator, Request } from './coalitionGame.js'
import type { MaskedItem } from './maskedItem.js'

export interface MaskedBlackBoxOptions {
  box: BlackBox
  items: readonly MaskedItem[]
  /** The input that is masked, and the axes of it that regions lie on. */
  input: string
  axes: readonly number[]
  /** The outputs that are read … */
  outputs: readonly string[]
  /** … and how many numbers a value is made of from a row of each. */
  width: number
  read(rows: readonly OutputRow[], request: Request): Float64Array
  /** How much of each place a coalition keeps; see `MaskedModelOptions`. */
  render?: ((coalition: Coalition) => ArrayLike<number>) | undefined
  /** Coalitions of one call; default as many as the box takes. */
  chunk?: number | undefined
}

/**
 * Values of coalitions from a black box: masks are put on its input here, and it gets batches of whole inputs. What it
 * gives for each is checked by the game.
 */
export function maskedBlackBox(options: MaskedBlackBoxOptions): CoalitionEvaluator {
  const { box, items, input, axes, outputs: names, width, read, render } = options
  const chunk = options.chunk === undefined ? box.batch : expectInteger('chunk', options.chunk, 1, 1 << 20)
  const prepared = items.map(item => {
    const tensor = item.tensors[input]
    if (tensor === undefined) throw new AscribeError('INPUT_MISSING', `There is no input called "${input}"`)
    return {
      item,
      tensor,
      places: placesOf(tensor.shape, axes),
      absent: spread(item.baseline, tensor, input),
    }
  })
  const masked = (index: number, coalition: Coalition): Tensor => {
    const { item, tensor, places, absent } = prepared[index]!
    const data = tensor.data.slice() as Float32Array
    const mask = render?.(coalition)
    const { labels, count } = item.regions
    const kept = mask
      ? undefined
      : Uint8Array.from({ length: count }, (_, player) => Number(isMember(coalition, player)))
    for (let at = 0; at < data.length; at++) {
      const place = places[at]!
      if (kept !== undefined) {
        if (!kept[labels[place]!]) data[at] = absent[at]!
        continue
      }
      const share = mask![place]!
      data[at] = absent[at]! + share * (data[at]! - absent[at]!)
    }
    return { ...tensor, data } as Tensor
  }
  return {
    width,
    batch: Math.min(chunk, box.batch),
    async evaluate(requests, signal) {
      const rows = requests.map(({ item, coalition }) => ({
        ...prepared[item]!.item.tensors,
        [input]: masked(item, coalition),
      }))
      const { outputs } = await box.run(stack(rows), { outputs: names, ...(signal ? { signal } : {}) })
      return requests.map((request, at) =>
        read(
          names.map(name => rowOf(outputs[name]!, at)),
          request,
        ),
      )
    },
  }
}

/** The place of each element of a tensor along some of its axes. */
export function placesOf(shape: readonly number[], axes: readonly number[]): Int32Array {
  const count = shape.reduce((product, size) => product * size, 1)
  const places = new Int32Array(count)
  let stride = 1
  for (const axis of [...axes].reverse()) {
    const inner = shape.slice(axis + 1).reduce((product, size) => product * size, 1)
    const size = shape[axis]!
    for (let at = 0; at < count; at++) places[at]! += stride * (Math.floor(at / inner) % size)
    stride *= size
  }
  return places
}

/** A baseline in the shape of the input. */
export function spread(baseline: number | Tensor, like: Tensor, name: string): ArrayLike<number> {
  const data = new arrayConstructors[like.dtype as 'f32'](like.data.length)
  if (typeof baseline === 'number') {
    if (!Number.isFinite(baseline))
      throw new AscribeError('INPUT_VALUE', `The baseline is ${baseline}, not a finite number`)
    return data.fill((like.dtype === 'i64' ? BigInt(baseline) : baseline) as number)
  }
  const { shape } = like
  const fits =
    baseline.shape.length === shape.length &&
    baseline.shape.every((size, axis) => size === 1 || size === shape[axis])
  if (!fits)
    throw new AscribeError(
      'INPUT_SHAPE',
      `The baseline of "${name}" has shape [${baseline.shape.join(', ')}], which does not broadcast to [${shape.join(', ')}]`,
    )
  for (let at = 0; at < data.length; at++) {
    let [rest, from, step] = [at, 0, 1]
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const own = rest % shape[axis]!
      rest = Math.floor(rest / shape[axis]!)
      if (baseline.shape[axis] !== 1) from += own * step
      step *= baseline.shape[axis]!
    }
    const value = baseline.data[from]!
    if (typeof value === 'number' && !Number.isFinite(value))
      throw new AscribeError('INPUT_VALUE', 'The baseline holds NaN or infinity')
    data[at] = (like.dtype === 'i64' ? BigInt(value) : Number(value)) as number
  }
  return data
}
