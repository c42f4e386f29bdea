import { gridRegions, type Regions } from './regions.js'

/**
 * The patches that LiMA uses for sound: 8 x 8 rectangles of a mel spectrogram [bands, frames].
 *
 * @throws AscribeError `OPTION_RANGE` where there are more patches than places along an axis.
 */
export function audioPatches(bands: number, frames: number, rows = 8, columns = rows): Regions {
  return { ...gridRegions(bands, frames, rows, columns), kind: 'audio-patches' }
}
