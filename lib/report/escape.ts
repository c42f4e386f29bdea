const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Control characters (but line feed and tab) those that turn the direction of text around, and halves of pairs. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const unsafe = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\ufffe\uffff\p{Cs}]/gu

/**
 * Makes text safe wherever it is put into HTML, XML or SVG, quoted attributes included. Characters that XML forbids
 * or that reorder the text around them become U+FFFD.
 */
export function escapeMarkup(text: string): string {
  return text.replace(unsafe, '\ufffd').replace(/[&<>"']/g, character => entities[character]!)
}

/** Makes text safe for a terminal: no escape sequences, no line breaks. */
export function escapeTerminal(text: string): string {
  return text.replace(unsafe, '\ufffd').replace(/[\n\t]/g, ' ')
}

/** The same for texts of several lines, which stay lines. */
export const escapeLines = (text: string): string => text.split('\n').map(escapeTerminal).join('\n')
