// The documents say what is so: their tables and pictures follow from the code, and what they name exists.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { DOCUMENTS, pictures, TABLES, withTables } from '../scripts/make-docs.ts'
import { program as results } from '../scripts/results.ts'
import { apgSchema, sftSchema, trpoSchema } from '../src/pipeline/options.ts'
import { optionEntries, type Schema } from '../src/pipeline/settings.ts'
import {
  clipsSchema,
  daggerSchema,
  evaluateSchema,
  exportSchema,
  physicsSchema,
  playSchema,
  renderSchema,
  verifySchema,
} from '../src/runner/options.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const TEXTS = ['README.md', ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`)]
  .filter((path) => path.endsWith('.md'))
  .map((path) => ({ path, text: read(path) }))
const HINT = 'run npx tsx scripts/make-docs.ts'

const COMMANDS: Record<string, Schema> = {
  sft: sftSchema,
  trpo: trpoSchema,
  apg: apgSchema,
  dagger: daggerSchema,
  evaluate: evaluateSchema,
  verify: verifySchema,
  physics: physicsSchema,
  clips: clipsSchema,
  play: playSchema,
  export: exportSchema,
  render: renderSchema,
}
/** Options that are not a schema's. */
const COMMON = ['config', 'help', 'version', 'resume']
const flagsOf = (schema: Schema) =>
  optionEntries(schema).map(({ flag, default: value }) => (value === true ? `no-${flag}` : flag))

test('the tables are those of the code', () => {
  const named = DOCUMENTS.flatMap((path) =>
    [...read(path).matchAll(/<!-- generated: ([\w ]+) -->/g)].map(([, name]) => name),
  )
  assert.equal(named.sort(), Object.keys(TABLES).sort(), 'every table stands somewhere, once')
  for (const path of DOCUMENTS) assert.is(withTables(read(path)), read(path), `${path}: ${HINT}`)
})

test('the pictures are those of the code', async () => {
  const number = /-?\d+(\.\d+)?/g
  const made = await pictures()
  // pictures of policies come with results/results.json, from runs, and those of the page by scripts/film-page.ts
  const there = readdirSync(join(ROOT, 'docs/images'))
    .filter((name) => !name.startsWith('policy-') && !name.startsWith('page-'))
    .map((name) => `docs/images/${name}`)
  assert.equal(there.sort(), Object.keys(made).sort())
  for (const [path, svg] of Object.entries(made)) {
    const stored = read(path)
    assert.is(stored.replaceAll(number, '#'), svg.replaceAll(number, '#'), `${path}: ${HINT}`)
    const [a, b] = [stored, svg].map((text) => [...text.matchAll(number)].map(([n]) => Number(n)))
    // another machine may round the last digit otherwise
    a.forEach((x, k) => {
      assert.ok(Math.abs(x - b[k]) < 0.11, `${path}: ${x}, expected ${b[k]}; ${HINT}`)
    })
  }
})

test('every picture is in a document', () => {
  for (const name of readdirSync(join(ROOT, 'docs/images'))) {
    assert.ok(
      TEXTS.some(({ text }) => text.includes(`images/${name})`)),
      `no document shows ${name}`,
    )
  }
})

test('every link leads somewhere', () => {
  for (const { path, text } of TEXTS) {
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue
      const [file, anchor] = target.split('#')
      const at = file ? join(dirname(path), file) : path
      assert.ok(existsSync(join(ROOT, at)), `${path} links to ${target}`)
      if (anchor) assert.ok(headings(read(at)).includes(anchor), `${path} links to ${target}`)
    }
  }
})

test('every path of the project that is named exists', () => {
  const folders = 'src|shaders|test|docs|scripts|clips|bench|bin'
  // a name with a pattern in it, such as shaders/<name>.wgsl, is none
  const pattern = new RegExp(`(?<![\\w/.-])(?:${folders})/[\\w./-]*(?![\\w<*])`, 'g')
  for (const { path, text } of TEXTS) {
    for (const [named] of text.replaceAll(/\]\([^)]*\)/g, ']').matchAll(pattern)) {
      if (named.endsWith('/') && text.includes(`${named}<`)) continue
      // a picture is named from its document's folder in a link, which is taken out above
      const file = named.replace(/[.]+$/, '')
      assert.ok(existsSync(join(ROOT, file)), `${path} names ${file}`)
    }
  }
})

test('every command and option that is named exists', () => {
  const scripts: Record<string, string> = JSON.parse(read('package.json')).scripts
  const ofResults = results.options.map(({ long }) => long!.slice(2))
  const known = new Set([...Object.values(COMMANDS).flatMap(flagsOf), ...COMMON, ...ofResults])
  for (const { path, text } of TEXTS) {
    for (const [, run, name] of text.matchAll(/\bnpm (run )?([a-z]+)\b/g)) {
      if (run || ['start', 'test'].includes(name)) {
        assert.ok(scripts[name], `${path} runs npm ${name}`)
      }
    }
    for (const [, line] of text.matchAll(/npx tsx src\/runner ([^<\n`]*)/g)) {
      const [command, ...rest] = line.split('#')[0].trim().split(/\s+/)
      if (command === '') continue
      const schema = COMMANDS[command]
      assert.ok(schema, `${path} runs ${command}`)
      for (const word of rest.filter((word) => word.startsWith('--'))) {
        const flags = [...flagsOf(schema), ...COMMON]
        assert.ok(flags.includes(word.slice(2)), `${path}: ${command} has no ${word}`)
      }
    }
    for (const [, line] of text.matchAll(/npx tsx scripts\/results\.ts ([^<\n`]*)/g)) {
      for (const [, flag] of line.split('#')[0].matchAll(/--([a-z-]+)/g)) {
        assert.ok(ofResults.includes(flag), `${path}: scripts/results.ts has no --${flag}`)
      }
    }
    for (const [, flag] of text.matchAll(/`--([a-z-]+)/g)) {
      assert.ok(known.has(flag), `${path} names --${flag}`)
    }
  }
})

test('every shipped clip and every command is in the documents', () => {
  const readme = read('README.md')
  for (const file of readdirSync(join(ROOT, 'clips'))) {
    assert.match(readme, `\`${file.replace('.txt', '')}\``)
  }
  const runner = read('src/runner/index.ts')
  const commands = [...runner.matchAll(/\bcommand\(\s*'([a-z-]+)'/g)].map(([, name]) => name)
  assert.equal(commands.sort(), Object.keys(COMMANDS).sort())
  for (const name of commands) {
    assert.ok(headings(read('docs/quick-reference.md')).includes(name), name)
  }
})

// as GitHub makes anchors of them
function headings(text: string): string[] {
  const prose = text.replaceAll(/```[\s\S]*?```/g, '')
  return [...prose.matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
    title
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .trim()
      .replaceAll(' ', '-'),
  )
}

test.run()
