import { flags } from '../harness.js'
import { type PeerRun, type PeerWay, type TorchPeer, type Variant, variants } from '../nets/peer.js'
import type { Kind, Pilot } from './results.js'

/** A way that the pilot before found this much slower than the best is not tried again. */
const hopeless = 1.4
/** Enough of one way's runs. */
const enoughMs = 1000

export const wayKey = ({ variant, inner }: PeerWay): string =>
  inner === undefined ? variant : `${variant}, ${inner ?? 'default'}`

/** @param known For methods that ask for many gradients: the ways that gradients alone were found to take. */
const waysOf = (kind: Kind, known: readonly Variant[]): PeerWay[] =>
  kind === 'forward' || kind === 'gradient'
    ? variants.map(variant => ({ variant }))
    : known.flatMap(variant => [1, 4, 8, 16, null].map(inner => ({ variant, inner })))

/** What may be the best for many gradients, by the pilots of single ones. */
export function variantsBy(pilots: readonly Pilot[]): Variant[] {
  const found = variants.filter(variant =>
    pilots.some(each => promising([{ variant }], each).length > 0 && typeof each[variant] === 'number'),
  )
  // Compiling for every internal batch size takes minutes: only where it won for single gradients.
  return found.length > 0 ? found : ['plain', 'channels_last']
}

/** The ways of the peer's that may be the best, by what a pilot found before. */
function promising(ways: readonly PeerWay[], before: Pilot): PeerWay[] {
  const known = Object.values(before).filter(found => typeof found === 'number')
  const bound = hopeless * Math.min(...known)
  return ways.filter(way => {
    const found = before[wayKey(way)]
    return found === undefined || (typeof found === 'number' && found <= bound)
  })
}

/**
 * Runs each of the peer's ways a few times and says what it took, or why it cannot be. With `--prepare`, which may run
 * beside other work, what processors worked for it.
 */
export async function pilot(
  peer: TorchPeer,
  kind: Kind,
  run: PeerRun,
  known: readonly Variant[],
  before: Pilot = {},
): Promise<Pilot> {
  const found: Pilot = { ...before }
  let best = Number.POSITIVE_INFINITY
  const measure = flags.prepare ? peer.busy : peer.run
  const chosen = promising(waysOf(kind, known), before)
  // With nothing left to choose from there is nothing to find out.
  if (chosen.length === 1 && before[wayKey(chosen[0]!)] !== undefined) return found
  for (const way of chosen) {
    if (way.variant === 'compile' && flags.budget !== undefined && before[wayKey(way)] === undefined) {
      found[wayKey(way)] = 'not compiled beforehand, which a budget has no time for'
      continue
    }
    try {
      // The first run packs and allocates; the compiler's only compiles.
      let least = (await measure(kind, { ...run, ...way })).milliseconds
      if (way.variant === 'compile') least = (await measure(kind, { ...run, ...way })).milliseconds
      const start = performance.now()
      for (let i = 0; i < 3 && performance.now() - start < enoughMs && least < 2 * hopeless * best; ++i)
        least = Math.min(least, (await measure(kind, { ...run, ...way })).milliseconds)
      found[wayKey(way)] = Number(least.toPrecision(4))
      best = Math.min(best, least)
    } catch (error) {
      found[wayKey(way)] = (error as Error).message
    }
  }
  return found
}

/** The fastest way. */
export function bestWay(kind: Kind, found: Pilot, known: readonly Variant[]): PeerWay {
  const ways = waysOf(kind, known).filter(way => typeof found[wayKey(way)] === 'number')
  if (ways.length === 0) throw new Error(`The peer cannot run this net: ${JSON.stringify(found)}`)
  return ways.reduce((best, way) =>
    (found[wayKey(way)] as number) < (found[wayKey(best)] as number) ? way : best,
  )
}
