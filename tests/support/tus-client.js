// Uploads a file with tus-js-client: node tus-client.js <address> <file> <bytes of a chunk>
// After each chunk it prints how much the server has, and at the end the address of the import.

import { createReadStream } from 'node:fs';
import { Upload } from 'tus-js-client';

const [address, file, chunkBytes] = process.argv.slice(2);

const upload = new Upload(createReadStream(file), {
  endpoint: address,
  chunkSize: Number(chunkBytes) || Infinity,
  metadata: { filename: 'products.csv' },
  retryDelays: Array.from({ length: 200 }, () => 100),
  onChunkComplete: (_size, accepted) => process.stdout.write(`${accepted}\n`),
  onSuccess: ({ lastResponse }) => process.stdout.write(`${lastResponse.getHeader('Location')}\n`),
  onError: (error) => {
    process.stderr.write(`${error}\n`);
    process.exitCode = 1;
  },
});
upload.start();
