// demo/manifests and the demo origins agree: every endpoint is an origin that `npm start` runs.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { ORIGIN_PORTS } from './origins/start-origins.ts';

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly ports?: readonly { readonly port: number }[];
}

const FOLDER = join(import.meta.dirname, 'manifests');
const manifests = readdirSync(FOLDER).flatMap((file) =>
  parseAllDocuments(readFileSync(join(FOLDER, file), 'utf8')).map((document) => document.toJS() as Manifest),
);

test('every EndpointSlice names the port of a demo origin, but for the dead one', () => {
  const slices = manifests.filter(({ kind }) => kind === 'EndpointSlice');
  const ports = slices.flatMap(({ metadata, ports: list }) => (metadata.name === 'dead-a1' ? [] : (list ?? [])));
  const used = [...new Set(ports.map(({ port }) => port))].sort();
  expect(used).toEqual(Object.values(ORIGIN_PORTS).sort());
});

test('nothing runs on the port of the dead one', () => {
  const dead = manifests.find(({ kind, metadata }) => kind === 'EndpointSlice' && metadata.name === 'dead-a1');
  expect(Object.values(ORIGIN_PORTS)).not.toContain(dead?.ports?.[0]?.port);
});
