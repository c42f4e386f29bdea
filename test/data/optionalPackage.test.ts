import test from 'ava'
import { loadOptionalPackage } from '#lib/data/optionalPackage.js'

test('a package that is not installed is named, with the command that installs it', async t => {
  const error = await t.throwsAsync(loadOptionalPackage('no-such-package-of-ascribe', 'to decode pictures'), {
    code: 'PACKAGE_MISSING',
    message: /no-such-package-of-ascribe is needed to decode pictures/,
  })
  t.is((error as { hint?: string }).hint, 'npm install no-such-package-of-ascribe')
})

test('one that is there is loaded', async t => {
  t.is(typeof (await loadOptionalPackage<{ sep: string }>('node:path', 'to join paths')).sep, 'string')
})
