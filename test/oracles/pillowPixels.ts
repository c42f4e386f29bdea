import { Image } from '#lib/data/image.js'

/** The generated picture of pillow_resize.py. */
export function pillowPixels(width: number, height: number): Image {
  let state = 12345n
  const data = new Uint8Array(width * height * 3)
  for (let index = 0; index < data.length; index++) {
    state = (state * 1103515245n + 12345n) % 2n ** 31n
    data[index] = Number(state >> 23n)
  }
  return Image.fromPixels({ width, height, channels: 3, data })
}
