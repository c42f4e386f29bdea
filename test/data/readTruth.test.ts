import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { readTruth } from '#lib/data/readTruth.js'
import { temporaryFolder } from '../oracles/temporaryFolder.js'

async function table(t: Parameters<typeof temporaryFolder>[0], text: string) {
  const path = join(await temporaryFolder(t), 'truth.csv')
  await writeFile(path, text)
  return [...(await readTruth(path))]
}

test('two columns, with or without a head, quoted, with a byte order mark', async t => {
  t.deepEqual(await table(t, 'a.png,3\nb.png,"cat, tabby"\n'), [
    ['a.png', '3'],
    ['b.png', 'cat, tabby'],
  ])
  t.deepEqual(await table(t, '\ufefffile,label\r\na.png,dog\r\n\r\n'), [['a.png', 'dog']])
  t.deepEqual(await table(t, 'id,label,file\n1,dog,a.png\n'), [['a.png', 'dog']])
})

test('what is no such table is refused', async t => {
  for (const text of ['', 'file,label\n', 'a.png\n', 'a.png,1\na.png,2\n', 'a.png,"1\n', 'a.png,\n'])
    await t.throwsAsync(table(t, text), { code: 'FILE_CORRUPT' })
  await t.throwsAsync(readTruth('/nowhere/truth.csv'), { code: 'FILE_NOT_FOUND' })
})
