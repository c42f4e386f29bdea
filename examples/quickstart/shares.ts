import {
  bootstrapInterval,
  centreGaussianMap,
  IntegratedGradients,
  type Interval,
  type Model,
  relevanceMass,
  SmoothGrad,
  sobelMap,
  uniformMap,
  withShuffledParameters,
} from '#lib/index.js'
import type { KnownScene } from './scenes.js'

/** Integrated gradients, averaged over noisy copies of the picture: 64 gradients a map. */
export const smoothed = (model: Model): SmoothGrad =>
  new SmoothGrad(new IntegratedGradients(model, { steps: 8 }), { samples: 8, seed: 7 })

/** Where one source of maps puts its attribution, in shares of all of it. */
export interface ShareRow {
  name: string
  /** Whether the map knows nothing of the model's training. */
  isNull: boolean
  object: Interval
  badge: Interval
}

/** How much of each map lies on objects and on badges, beside what maps that know nothing get. */
export async function measureShares(
  { sound, shortcut }: { sound: Model; shortcut: Model },
  scenes: readonly KnownScene[],
  onProgress: (done: number, total: number) => void,
): Promise<ShareRow[]> {
  const attributed = (model: Model) => {
    const method = smoothed(model)
    return async (scene: KnownScene) =>
      (await method.attribute(scene.badge, { target: scene.label })).aggregate().scores().data
  }
  type Source = (scene: KnownScene) => Promise<ArrayLike<number>> | ArrayLike<number>
  const sources: [string, boolean, Source][] = [
    ['sound model', false, attributed(sound)],
    ['shortcut model', false, attributed(shortcut)],
    ['random weights', true, attributed(withShuffledParameters(sound))],
    ['uniform', true, ({ badge }) => uniformMap(badge.width, badge.height)],
    ['centre Gaussian', true, ({ badge }) => centreGaussianMap(badge.width, badge.height)],
    ['Sobel edges', true, ({ badge }) => sobelMap(badge)],
  ]
  const rows: ShareRow[] = []
  let done = 0
  for (const [name, isNull, mapOf] of sources) {
    const shares: { object: number[]; badge: number[] } = { object: [], badge: [] }
    for (const scene of scenes) {
      const map = await mapOf(scene)
      shares.object.push(relevanceMass(map, scene.objectMask))
      shares.badge.push(relevanceMass(map, scene.badgeMask))
      onProgress(++done, sources.length * scenes.length)
    }
    rows.push({
      name,
      isNull,
      object: bootstrapInterval(shares.object),
      badge: bootstrapInterval(shares.badge),
    })
  }
  return rows
}
