import { createHash } from 'node:crypto'
import { escapeMarkup } from './escape.js'
import { pageStyle } from './pageStyle.js'

/** What a page is made of. */
export interface PageContents {
  /** Title of the window; text. */
  title: string
  /** Markup of everything above the footer. */
  body: readonly string[]
  /** Styles beside the common ones. */
  styles?: readonly string[]
  libraryVersion: string
}

/**
 * One self-contained page: it loads nothing, runs no script, and its content policy forbids both. Texts in the body are
 * for the caller to escape.
 */
export function pageDocument({ title, body, styles = [], libraryVersion }: PageContents): string {
  const style = [pageStyle, ...styles].join('')
  const hash = createHash('sha256').update(style).digest('base64')
  const policy = `default-src 'none'; img-src data:; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${escapeMarkup(policy)}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="referrer" content="no-referrer">',
    `<title>${escapeMarkup(title)}</title>`,
    `<style>${style}</style>`,
    '</head>',
    '<body>',
    '<main>',
    ...body,
    `<footer>Made by ascribe ${escapeMarkup(libraryVersion)}. This page loads nothing from elsewhere.</footer>`,
    '</main>',
    '</body>',
    '</html>',
    '',
  ].join('\n')
}
