import { Image } from '#lib/index.js'

/** Rows of equally large pictures as one, each pixel enlarged, with a gap of the paper's colour between them. */
export function grid(rows: readonly (readonly Image[])[], scale = 2, gap = 6, paper = 246): Image {
  const [first] = rows[0]!
  const [width, height] = [first!.width * scale, first!.height * scale]
  const columns = Math.max(...rows.map(row => row.length))
  const total = { width: columns * (width + gap) + gap, height: rows.length * (height + gap) + gap }
  const data = new Uint8Array(total.width * total.height * 3).fill(paper)
  rows.forEach((row, r) => {
    row.forEach((image, c) => {
      const [left, top] = [gap + c * (width + gap), gap + r * (height + gap)]
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) {
          const from = (Math.floor(y / scale) * image.width + Math.floor(x / scale)) * 3
          const to = ((top + y) * total.width + left + x) * 3
          for (let channel = 0; channel < 3; channel++) data[to + channel] = image.data[from + channel]!
        }
    })
  })
  return Image.fromPixels({ ...total, channels: 3, data })
}

/** Blocks of text side by side. Escape sequences have no width. */
export function sideBySide(blocks: readonly string[], gap = 3): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: this is what a colour in a terminal begins with
  const widthOf = (line: string) => line.replace(/\u001b\[[0-9;]*m/g, '').length
  const lines = blocks.map(block => block.split('\n'))
  const widths = lines.map(block => Math.max(...block.map(widthOf)))
  return Array.from({ length: Math.max(...lines.map(block => block.length)) }, (_, row) =>
    lines
      .map((block, at) => (block[row] ?? '') + ' '.repeat(widths[at]! - widthOf(block[row] ?? '')))
      .join(' '.repeat(gap))
      .trimEnd(),
  ).join('\n')
}
