import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import test from 'ava'
import { repositoryRoot } from '../oracles/repository.js'

const withoutCode = (page: string) => page.replaceAll(/^```[\s\S]*?^```$/gm, '')

/** The anchors of a page's headings, as GitHub makes them. */
const anchorsOf = (page: string): string[] =>
  Array.from(withoutCode(page).matchAll(/^#+ (.+)$/gm), ([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\- _]/gu, '')
      .replaceAll(' ', '-'),
  )

const docs = (await readdir(join(repositoryRoot, 'docs'))).filter(name => name.endsWith('.md'))
for (const name of ['README.md', 'models/README.md', ...docs.map(each => `docs/${each}`)])
  test(`every link of ${name} to a file of the repository leads to one, and to a heading that it has`, async t => {
    const file = join(repositoryRoot, name)
    const broken: string[] = []
    for (const [, link] of withoutCode(await readFile(file, 'utf8')).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link!)) continue
      const [path = '', anchor] = link!.split('#')
      const target = path === '' ? file : resolve(dirname(file), path)
      const leads =
        existsSync(target) &&
        (anchor === undefined || anchorsOf(await readFile(target, 'utf8')).includes(anchor))
      if (!leads) broken.push(link!)
    }
    t.deepEqual(broken, [])
  })

test('every page of docs/ is linked from the README or from another page', async t => {
  const pages = ['README.md', ...docs.map(each => `docs/${each}`)]
  const texts = await Promise.all(pages.map(page => readFile(join(repositoryRoot, page), 'utf8')))
  const orphans = docs.filter(
    each =>
      !texts.some((text, at) => pages[at] !== `docs/${each}` && new RegExp(`[(/]${each}[)#]`).test(text)),
  )
  t.deepEqual(orphans, [])
})
