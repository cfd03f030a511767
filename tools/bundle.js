// Bundle the page into static/dist, which the web process serves if it fits the sources (api/assets.py).
// `npm run bundle` writes the files; `npm run bundle:check` fails if they are not what the sources give.
//
// Rollup joins the modules, because it keeps in the first script what all parts of the page share; esbuild shortens
// the code and joins the styles. Names have no digests, so a change of the page changes files and renames none.

import { build, transform } from 'esbuild';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { rollup } from 'rollup';

const FOLDER = 'static';
const OUTPUT = 'static/dist';
const MANIFEST = 'manifest.json';
const TARGET = 'es2022';
/** The outputs by the sources that the HTML names. */
const SCRIPTS = { 'js/main.js': 'main.js', 'js/docs/page.js': 'docs.js' };
const STYLES = { 'css/page.css': 'page.css', 'css/docs-page.css': 'docs.css' };
const EARLY_SOURCE = 'js/early.js';
const EARLY_OUTPUT = 'early.js';
/** The first screen may need it beside the first script. */
const LATER = ['imports.js'];
/** Every script and style in these folders counts as a source; api/assets.py has the same list. */
const SOURCE_FOLDERS = ['css', 'js', 'vendor'];
/** The part that has the modules which only parts share. */
const SHARED_PART = 'imports';
const SHARED = /\/js\/(core|imports)\//;
const VENDOR_FOLDER = `${FOLDER}/vendor`;

/** @typedef {Map<string, string>} Files the content of files, by their names */

/** @param {string} text */
const sha256 = (text) => createHash('sha256').update(text).digest('hex');

/**
 * Return the digest of files and their names; api/assets.py computes the same.
 * @param {Files} files
 */
const digestOf = (files) =>
  sha256(
    [...files.keys()]
      .toSorted()
      .map((name) => `${name}\t${sha256(files.get(name) ?? '')}\n`)
      .join(''),
  );

/** @param {string} code */
const shorten = async (code) => (await transform(code, { minify: true, format: 'esm', target: TARGET })).code;

/**
 * Name a chunk after the folder of the part that it contains.
 * @param {{name: string, facadeModuleId: string | null}} chunk
 */
const nameOfPart = ({ name, facadeModuleId }) =>
  name === 'part' ? `${facadeModuleId?.split('/').at(-2)}.js` : `${name}.js`;

/**
 * Collect the ids of a module and of those that it imports, without those that it loads with `import()`.
 * @param {import('rollup').GetModuleInfo} getModuleInfo
 * @param {string} id
 * @param {Set<string>} collected
 */
function collectImports(getModuleInfo, id, collected) {
  if (collected.has(id)) return collected;
  collected.add(id);
  for (const imported of getModuleInfo(id)?.importedIds ?? []) collectImports(getModuleInfo, imported, collected);
  return collected;
}

/**
 * Return a comment that names the libraries in a chunk, and where their licences are.
 * @param {{moduleIds: string[]}} chunk
 */
const licencesOf = ({ moduleIds }) =>
  moduleIds
    .filter((id) => id.startsWith(resolve(VENDOR_FOLDER)))
    .map((id) => basename(id, '.js'))
    .map((name) => `/* Contains ${name}: ${VENDOR_FOLDER}/${name}.LICENSE.txt has its licence. */\n`)
    .join('');

/**
 * Join the modules of a page.
 * @param {string} source
 * @param {string} output
 * @returns {Promise<[string, string][]>} names and contents
 */
async function joinModules(source, output) {
  const bundle = await rollup({
    input: { [output.replace('.js', '')]: `${FOLDER}/${source}` },
    onwarn: (warning) => {
      throw new Error(warning.message);
    },
  });
  const entry = resolve(FOLDER, source);
  /** @type {Set<string> | null} the modules of the first script */
  let needed = null;
  const { output: chunks } = await bundle.generate({
    format: 'es',
    entryFileNames: '[name].js',
    chunkFileNames: nameOfPart,
    hoistTransitiveImports: false,
    manualChunks: (id, { getModuleInfo }) => {
      needed ??= collectImports(getModuleInfo, entry, new Set());
      if (needed.has(id)) return output.replace('.js', '');
      // Parts share little. It is in one of them, which saves requests. It cannot be in the first script: modules use
      // the texts of their part while they run.
      return SHARED.test(id) ? SHARED_PART : undefined;
    },
  });
  await bundle.close();
  return Promise.all(
    chunks.map(async (chunk) => {
      if (chunk.type !== 'chunk') throw new Error(`${chunk.fileName} is no module.`);
      return /** @type {[string, string]} */ ([chunk.fileName, licencesOf(chunk) + (await shorten(chunk.code))]);
    }),
  );
}

/** @param {string} source @param {import('esbuild').BuildOptions} options @returns {Promise<string>} */
async function join(source, options) {
  const { outputFiles } = await build({
    entryPoints: [`${FOLDER}/${source}`],
    bundle: true,
    minify: true,
    target: TARGET,
    write: false,
    ...options,
  });
  return outputFiles?.[0]?.text ?? '';
}

/** @returns {Promise<Files>} */
async function makeBundle() {
  /** @type {Files} */
  const files = new Map();
  for (const [source, output] of Object.entries(SCRIPTS)) {
    for (const [name, code] of await joinModules(source, output)) {
      if (files.has(name)) throw new Error(`Two pages have a part named ${name}.`);
      files.set(name, code);
    }
  }
  // The syntax of styles stays as it is: the browsers that run the scripts know all of it.
  for (const [source, output] of Object.entries(STYLES)) files.set(output, await join(source, { target: 'esnext' }));
  files.set(EARLY_OUTPUT, await join(EARLY_SOURCE, { format: 'iife' }));
  for (const name of LATER) if (!files.has(name)) throw new Error(`The page has no part named ${name}.`);
  return files;
}

/** @returns {Files} */
function readSources() {
  const names = SOURCE_FOLDERS.flatMap((folder) =>
    readdirSync(`${FOLDER}/${folder}`, { recursive: true }).map((name) => `${folder}/${name}`),
  ).filter((name) => /\.(js|css)$/.test(name));
  return new Map(names.map((name) => [name, readFileSync(`${FOLDER}/${name}`, 'utf8')]));
}

const bundle = await makeBundle();
const manifest = {
  sources: digestOf(readSources()),
  outputs: digestOf(bundle),
  replaced: { ...SCRIPTS, ...STYLES },
  early: EARLY_OUTPUT,
  later: LATER,
};
const contents = new Map([...bundle, [MANIFEST, `${JSON.stringify(manifest, null, 2)}\n`]]);

/** @param {string} name */
const isCurrent = (name) =>
  existsSync(`${OUTPUT}/${name}`) && readFileSync(`${OUTPUT}/${name}`, 'utf8') === contents.get(name);

if (!process.argv.includes('--check')) {
  rmSync(OUTPUT, { recursive: true, force: true });
  mkdirSync(OUTPUT);
  for (const [name, content] of contents) writeFileSync(`${OUTPUT}/${name}`, content);
} else if (
  !existsSync(OUTPUT) ||
  readdirSync(OUTPUT).length !== contents.size ||
  ![...contents.keys()].every(isCurrent)
) {
  process.stderr.write(`${OUTPUT} is not what static/js and static/css give: run \`npm run bundle\`.\n`);
  process.exitCode = 1;
}
