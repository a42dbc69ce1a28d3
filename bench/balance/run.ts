// `npm run bench:balance`: prints the simulated tables; with `--write` puts them into docs/load-balancing.md.

import { readFileSync, writeFileSync } from 'node:fs';
import { renderTables, replaceTables } from './table.ts';

const document = new URL('../../docs/load-balancing.md', import.meta.url);
const tables = renderTables();
process.stdout.write(`${tables}\n`);
if (process.argv.includes('--write')) writeFileSync(document, replaceTables(readFileSync(document, 'utf8'), tables));
