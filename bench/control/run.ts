// Entry of `npm run bench:control`: how fast a change in the cluster reaches clients, at 100 and at 10,000 Ingresses, and
// what the same costs nginx, which has to be reloaded. Linux only. The API server is the one of e2e/apiserver.

import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { measureNginx } from './measure-nginx.ts';
import { measureSluice } from './measure-sluice.ts';
import { ownAddress, startOrigin, stopOrigin } from './origins.ts';
import { type ControlResult, renderPeerReport, renderSluiceReport } from './report.ts';

const USAGE = `Usage: npm run bench:control -- [flags]
  --ingresses N   Size of the large cluster; Services as many, endpoints 5 times, TLS Secrets a fifth. (default 10000)
  --changes N     Single changes of each kind. (default 200)
  --seconds N     Length of the quiet and of the busy time. (default 12)
  --skip-nginx    Measure Sluice alone.
  --json FILE     Write the result as JSON.
  --help          Print this text.`;

const SMALL = 100;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      ingresses: { type: 'string', default: '10000' },
      changes: { type: 'string', default: '200' },
      seconds: { type: 'string', default: '12' },
      'skip-nginx': { type: 'boolean', default: false },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  const startedAt = new Date().toISOString();
  const address = ownAddress();
  const origins = [await startOrigin('first', address), await startOrigin('second', address)] as const;
  const options = { changes: Number(values.changes), steadyMs: Number(values.seconds) * 1000, origins };
  const ingresses = Number(values.ingresses);
  if (!(ingresses >= SMALL && options.changes > 0 && options.steadyMs > 0)) throw new Error(USAGE);
  const machine = `${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} cores, Node ${process.version}`;
  const sluice = await measureSluice({ ...options, small: SMALL, large: ingresses });
  // At once: what comes after it may fail, and takes a minute.
  console.log(renderSluiceReport(sluice, `${machine}; ${startedAt}`));
  const nginx = values['skip-nginx'] ? null : await measureNginx(ingresses, origins[0]);
  if (nginx !== null) console.log(renderPeerReport(sluice.large, nginx));
  for (const origin of origins) stopOrigin(origin);
  const result: ControlResult = { startedAt, machine, ...sluice, nginx };
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);
}

await main();
