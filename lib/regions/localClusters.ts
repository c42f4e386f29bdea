/** A picture as clusters see it: three numbers for each pixel, side by side. */
export interface ColorPlanes {
  readonly width: number
  readonly height: number
  readonly colors: Float32Array
}

export interface LocalClusterOptions {
  /** Pixels at which clusters begin. */
  seeds: readonly { readonly x: number; readonly y: number }[]
  /** A cluster takes pixels at most this far from its centre, along each axis. */
  reach: number
  iterations: number
  /** What a squared distance of one pixel weighs beside a squared distance of colour. */
  spatialWeight: number
  /**
   * Colour distances are measured in the greatest one that the cluster has had so far: SLICO. Without, as they are:
   * SLIC.
   */
  adaptive: boolean
}

/** The greatest squared colour distance is taken to be this before anything is known. */
const firstColorDistance = 100

/**
 * K-means in colour and place that looks for each cluster's pixels only around its centre. Ties go to the earlier
 * cluster. Doubles throughout: the same picture gives the same labels everywhere.
 */
export function localClusters(picture: ColorPlanes, options: LocalClusterOptions): Int32Array {
  const { width, height, colors } = picture
  const { seeds, reach, spatialWeight, adaptive } = options
  const count = seeds.length
  // Of each cluster: three colours, x, y.
  const centres = new Float64Array(count * 5)
  for (const [cluster, { x, y }] of seeds.entries()) {
    const at = (y * width + x) * 3
    centres.set([colors[at]!, colors[at + 1]!, colors[at + 2]!, x, y], cluster * 5)
  }
  const labels = new Int32Array(width * height).fill(-1)
  const distances = new Float64Array(width * height)
  const colorDistances = new Float64Array(width * height)
  const greatest = new Float64Array(count).fill(adaptive ? firstColorDistance : 1)

  for (let iteration = 0; iteration < options.iterations; iteration++) {
    distances.fill(Number.POSITIVE_INFINITY)
    for (let cluster = 0; cluster < count; cluster++) {
      const base = cluster * 5
      const first = centres[base]!
      const second = centres[base + 1]!
      const third = centres[base + 2]!
      const x = centres[base + 3]!
      const y = centres[base + 4]!
      const scale = 1 / greatest[cluster]!
      const left = Math.max(0, Math.trunc(x) - reach)
      const right = Math.min(width, Math.trunc(x) + reach)
      const bottom = Math.min(height, Math.trunc(y) + reach)
      for (let row = Math.max(0, Math.trunc(y) - reach); row < bottom; row++) {
        const down = (row - y) * (row - y)
        for (let column = left; column < right; column++) {
          const pixel = row * width + column
          const at = pixel * 3
          const a = colors[at]! - first
          const b = colors[at + 1]! - second
          const c = colors[at + 2]! - third
          const color = a * a + b * b + c * c
          const across = column - x
          const distance = color * scale + (across * across + down) * spatialWeight
          if (distance < distances[pixel]!) {
            distances[pixel] = distance
            colorDistances[pixel] = color
            labels[pixel] = cluster
          }
        }
      }
    }
    assignRest(labels, centres, width)
    if (adaptive) {
      if (iteration === 0) greatest.fill(1)
      for (let pixel = 0; pixel < labels.length; pixel++) {
        const cluster = labels[pixel]!
        if (distances[pixel] !== Number.POSITIVE_INFINITY && colorDistances[pixel]! > greatest[cluster]!)
          greatest[cluster] = colorDistances[pixel]!
      }
    }
    moveCentres(centres, labels, picture)
  }
  return labels
}

/** Pixels that no window ever reached go to the nearest centre. */
function assignRest(labels: Int32Array, centres: Float64Array, width: number): void {
  for (let pixel = labels.indexOf(-1); pixel >= 0; pixel = labels.indexOf(-1, pixel + 1)) {
    const x = pixel % width
    const y = Math.floor(pixel / width)
    let nearest = Number.POSITIVE_INFINITY
    for (let base = 0; base < centres.length; base += 5) {
      const distance = (centres[base + 3]! - x) ** 2 + (centres[base + 4]! - y) ** 2
      if (distance >= nearest) continue
      nearest = distance
      labels[pixel] = base / 5
    }
  }
}

/** Centres become the means of their pixels; a cluster without pixels stays where it is. */
function moveCentres(centres: Float64Array, labels: Int32Array, { width, colors }: ColorPlanes): void {
  const sums = new Float64Array(centres.length)
  const sizes = new Float64Array(centres.length / 5)
  for (let pixel = 0; pixel < labels.length; pixel++) {
    const cluster = labels[pixel]!
    const base = cluster * 5
    sums[base]! += colors[pixel * 3]!
    sums[base + 1]! += colors[pixel * 3 + 1]!
    sums[base + 2]! += colors[pixel * 3 + 2]!
    sums[base + 3]! += pixel % width
    sums[base + 4]! += Math.floor(pixel / width)
    sizes[cluster]!++
  }
  for (let at = 0; at < centres.length; at++) {
    const size = sizes[Math.floor(at / 5)]!
    if (size > 0) centres[at] = sums[at]! / size
  }
}
