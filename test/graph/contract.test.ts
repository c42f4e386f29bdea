import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { native } from '#lib/native.js'
import { repositoryRoot } from '../oracles/repository.js'

/** Attributes by operation, as lib/graph/operations.ts writes them down. */
function declared(): Map<string, string[]> {
  const text = readFileSync(join(repositoryRoot, 'lib/graph/operations.ts'), 'utf8')
  const bodyOf = (name: string, open = '{', close = '}') => {
    const start = text.indexOf(open, text.indexOf(name)) + 1
    let depth = 1
    let end = start
    for (; depth > 0; end++) depth += text[end] === open ? 1 : text[end] === close ? -1 : 0
    return text.slice(start, end - 1)
  }
  const keys = (body: string) => [...body.matchAll(/(\w+)\??:/g)].map(match => match[1]!)
  const shared: Record<string, string[]> = { None: [] }
  for (const name of ['Window', 'Reduce', 'Arg', 'Axis', 'Epsilon', 'Pool'])
    shared[name] = keys(bodyOf(`interface ${name} `))
  shared.Pool = [...shared.Pool!, ...shared.Window!]
  const operations = new Map<string, string[]>()
  const plain = text.slice(text.indexOf('type Plain ='), text.indexOf('type WithAttributes'))
  for (const match of plain.matchAll(/'(\w+)'/g)) operations.set(match[1]!, [])
  const body = bodyOf('type WithAttributes')
  for (const match of body.matchAll(/^ {2}(\w+): ((?:[^{\n]|\{[^}]*\})+)$/gm)) {
    const [, name, type] = match as unknown as [string, string, string]
    const names = [...type.matchAll(/\b(None|Window|Reduce|Arg|Axis|Epsilon|Pool)\b/g)].flatMap(
      each => shared[each[1]!]!,
    )
    const own = [...type.matchAll(/\{([^}]*)\}/g)].flatMap(each => keys(each[1]!))
    operations.set(name, [...names, ...own])
  }
  return operations
}

test('the table of operations says what the native schemas say', t => {
  const schemas = new Map(
    native()
      .operations()
      .map(({ name, attributes }) => [name, attributes.map(each => each.name)]),
  )
  const operations = declared()
  t.true(operations.size > 90)
  for (const [name, attributes] of operations) {
    const schema = schemas.get(name)
    t.truthy(schema, `${name} is no operation`)
    for (const attribute of attributes)
      t.true(schema!.includes(attribute), `${name} has no attribute ${attribute}`)
  }
})

test('the built addon has every function of its typed contract, and no other', t => {
  const text = readFileSync(join(repositoryRoot, 'typings/addon.d.ts'), 'utf8')
  const body = text.slice(text.indexOf('export interface NativeAddon {'))
  const names = [...body.matchAll(/^ {2}(\w+)\(/gm)].map(match => match[1]!)
  const addon = native() as unknown as Record<string, unknown>
  t.true(names.length > 10)
  for (const name of names) t.is(typeof addon[name], 'function', name)
  const functions = Object.keys(addon).filter(name => typeof addon[name] === 'function')
  t.deepEqual(
    functions.filter(name => !names.includes(name)),
    [],
  )
})

test('a handle of another kind is refused', t => {
  const addon = native()
  const storage = addon.storageFromBuffer(new Uint8Array(4))
  for (const wrong of [{}, null, 7, storage]) {
    t.throws(() => addon.createGraph(wrong as never))
    t.throws(() => addon.hashStorage((wrong === storage ? addon.createParameters([]) : wrong) as never))
  }
})
