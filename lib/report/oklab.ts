/** A colour as lightness (0 to 1), chroma (0 grey to about 0.3) and hue (degrees) in the OKLab space. */
export interface Oklch {
  lightness: number
  chroma: number
  hue: number
}

/** Red, green and blue in linear light, not clipped: outside 0 to 1 the colour is outside the sRGB gamut. */
function toLinear({ lightness, chroma, hue }: Oklch): [number, number, number] {
  const angle = (hue * Math.PI) / 180
  const a = chroma * Math.cos(angle)
  const b = chroma * Math.sin(angle)
  // The matrices that define OKLab (B. Ottosson, 2020).
  const long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
  const medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
  const short = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3
  return [
    4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
    -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
    -0.0041960863 * long - 0.7034186147 * medium + 1.707614701 * short,
  ]
}

function encode(linear: number): number {
  const clipped = Math.min(Math.max(linear, 0), 1)
  const encoded = clipped <= 0.0031308 ? 12.92 * clipped : 1.055 * clipped ** (1 / 2.4) - 0.055
  return Math.round(encoded * 255)
}

function isInGamut(colour: Oklch): boolean {
  return toLinear(colour).every(value => value >= -1e-6 && value <= 1 + 1e-6)
}

/** The nearest colour of the same lightness and hue that sRGB can show: chroma is given up first. */
export function fitGamut(colour: Oklch): Oklch {
  if (isInGamut(colour)) return colour
  let inside = 0
  let outside = colour.chroma
  for (let step = 0; step < 24; step++) {
    const middle = (inside + outside) / 2
    if (isInGamut({ ...colour, chroma: middle })) inside = middle
    else outside = middle
  }
  return { ...colour, chroma: inside }
}

/** The colour as 8-bit sRGB, fitted into its gamut. */
export function oklchToRgb(colour: Oklch): [number, number, number] {
  const [red, green, blue] = toLinear(fitGamut(colour))
  return [encode(red), encode(green), encode(blue)]
}

/** The perceived difference of two colours: their distance in OKLab. */
export function oklabDistance(first: Oklch, second: Oklch): number {
  const radians = Math.PI / 180
  return Math.hypot(
    first.lightness - second.lightness,
    first.chroma * Math.cos(first.hue * radians) - second.chroma * Math.cos(second.hue * radians),
    first.chroma * Math.sin(first.hue * radians) - second.chroma * Math.sin(second.hue * radians),
  )
}
