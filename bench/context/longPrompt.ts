/** A prompt of `texts` texts of `length` tokens behind 16 others, and a response of `answer`: numbers, since weights are random. */
export function longPrompt(texts: number, length: number, answer: number) {
  const token = (at: number) => 5 + ((at * 7919) % 31_000)
  return {
    ids: Array.from({ length: 16 + texts * length + 16 }, (_, at) => token(at)),
    spans: Array.from({ length: texts }, (_, at) => ({
      start: 16 + at * length,
      end: 16 + (at + 1) * length,
    })),
    response: Array.from({ length: answer }, (_, at) => token(3 * at + 1)),
  }
}
