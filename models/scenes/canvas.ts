export type Colour = readonly [red: number, green: number, blue: number]

/** A floating-point RGB image that shapes are blended into, with colours from 0 to 255. */
export class Canvas {
  readonly values: Float64Array

  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    this.values = new Float64Array(width * height * 3)
  }

  blend(x: number, y: number, colour: Colour, opacity: number): void {
    const at = (y * this.width + x) * 3
    for (let channel = 0; channel < 3; channel++) {
      const under = this.values[at + channel]!
      this.values[at + channel] = under + (colour[channel]! - under) * opacity
    }
  }

  /** Visits the pixels of a rectangle as far as they lie on the canvas. */
  forEachIn(
    rectangle: { left: number; top: number; right: number; bottom: number },
    visit: (x: number, y: number) => void,
  ): void {
    const right = Math.min(this.width - 1, Math.ceil(rectangle.right))
    const bottom = Math.min(this.height - 1, Math.ceil(rectangle.bottom))
    for (let y = Math.max(0, Math.floor(rectangle.top)); y <= bottom; y++)
      for (let x = Math.max(0, Math.floor(rectangle.left)); x <= right; x++) visit(x, y)
  }
}
