// Bundle the library that formats messages into static/vendor, because the page loads nothing from node_modules.
// `npm run vendor` writes the files; `npm run vendor:check` fails if they are not what node_modules gives.

import { build } from 'esbuild';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const ENTRY = "export { IntlMessageFormat } from 'intl-messageformat';";
const OUTPUT = 'static/vendor/intl-messageformat';
const PACKAGES = [
  'intl-messageformat',
  '@formatjs/fast-memoize',
  '@formatjs/icu-messageformat-parser',
  '@formatjs/icu-skeleton-parser',
];

/** @param {string} name of a package */
function describePackage(name) {
  const { version, license } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, 'utf8'));
  return `${name} ${version} (${license})`;
}

/** @param {string} name of a package */
const licenceOf = (name) =>
  `${describePackage(name)}\n\n${readFileSync(`node_modules/${name}/LICENSE.md`, 'utf8').trim()}\n`;

const { outputFiles } = await build({
  stdin: { contents: ENTRY, resolveDir: process.cwd() },
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  legalComments: 'none',
  write: false,
});
const versions = PACKAGES.map(describePackage);
const comment = [
  ...versions,
  'Their licences are in intl-messageformat.LICENSE.txt.',
  '`npm run vendor` writes this file.',
];
const files = {
  [`${OUTPUT}.js`]: `/*\n${comment.map((line) => ` * ${line}\n`).join('')} */\n${outputFiles[0].text}`,
  [`${OUTPUT}.LICENSE.txt`]: PACKAGES.map(licenceOf).join('\n'),
};

for (const [path, content] of Object.entries(files)) {
  if (!process.argv.includes('--check')) {
    writeFileSync(path, content);
  } else if (!existsSync(path) || readFileSync(path, 'utf8') !== content) {
    process.stderr.write(`${path} is not what node_modules gives: run \`npm run vendor\`.\n`);
    process.exitCode = 1;
  }
}
