// Bundle the libraries of the page into static/vendor, because the page loads nothing from node_modules.
// `npm run vendor` writes the files; `npm run vendor:check` fails if they are not what node_modules gives.

import { build } from 'esbuild';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';

const FOLDER = 'static/vendor';
/** What the page uses of each library. @type {Record<string, string>} */
const ENTRIES = {
  'intl-messageformat': "export { IntlMessageFormat } from 'intl-messageformat';",
  'tus-js-client': "export { Upload } from 'tus-js-client';",
};
const PACKAGE_PATH = /^node_modules\/(?:@[^/]+\/)?[^/]+/;
const LICENCE_NAME = /^licen[cs]e/i;

/** @param {string} folder of a package */
function describePackage(folder) {
  const { name, version, license } = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8'));
  return `${name} ${version} (${license})`;
}

/** @param {string} folder of a package */
function licenceOf(folder) {
  const name = readdirSync(folder).find((candidate) => LICENCE_NAME.test(candidate));
  if (!name) throw new Error(`${folder} has no licence.`);
  return `${describePackage(folder)}\n\n${readFileSync(`${folder}/${name}`, 'utf8').trim()}\n`;
}

/**
 * Return the files of a library by their paths: its code, and the licences of all packages that are in it.
 * @param {string} name
 * @param {string} entry
 */
async function bundleLibrary(name, entry) {
  const { outputFiles, metafile } = await build({
    stdin: { contents: entry, resolveDir: process.cwd() },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    legalComments: 'none',
    metafile: true,
    write: false,
  });
  const folders = new Set(Object.keys(metafile.inputs).flatMap((path) => path.match(PACKAGE_PATH) ?? []));
  // The library itself comes first.
  const packages = [...folders]
    .toSorted()
    .toSorted((a, b) => Number(b.endsWith(`/${name}`)) - Number(a.endsWith(`/${name}`)));
  const comment = [
    ...packages.map(describePackage),
    `Their licences are in ${name}.LICENSE.txt.`,
    '`npm run vendor` writes this file.',
  ];
  return {
    [`${FOLDER}/${name}.js`]: `/*\n${comment.map((line) => ` * ${line}\n`).join('')} */\n${outputFiles[0]?.text}`,
    [`${FOLDER}/${name}.LICENSE.txt`]: packages.map(licenceOf).join('\n'),
  };
}

for (const [name, entry] of Object.entries(ENTRIES)) {
  for (const [path, content] of Object.entries(await bundleLibrary(name, entry))) {
    if (!process.argv.includes('--check')) {
      writeFileSync(path, content);
    } else if (!existsSync(path) || readFileSync(path, 'utf8') !== content) {
      process.stderr.write(`${path} is not what node_modules gives: run \`npm run vendor\`.\n`);
      process.exitCode = 1;
    }
  }
}
