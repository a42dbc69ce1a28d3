// The admission webhook of a whole Sluice: it judges by what is served at the moment, and changes none of it.

import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { rawIngress, reviewOf } from '../admission/testing/reviews.ts';
import { fixture } from '../compile/testing/fixtures.ts';
import { ask } from './testing/ask.ts';
import { FeatureSluice } from './testing/feature-sluice.ts';
import { TestFolder } from './testing/manifest-folder.ts';
import { ingress, ingressClass, textOf } from './testing/manifests.ts';

let folder: TestFolder;
let certificate: TestFolder;
let sluice: FeatureSluice;

beforeEach(async () => {
  folder = await TestFolder.create({
    'class.yaml': textOf(ingressClass),
    'shop.yaml': textOf(ingress('shop', { hosts: { 'a.test': { '/': 'web' } } })),
  });
  certificate = await TestFolder.create({
    'tls.crt': fixture('foo-bar-com.crt'),
    'tls.key': fixture('foo-bar-com.key'),
  });
  sluice = await FeatureSluice.start(folder.dir, {
    flags: [
      '--workers=1',
      '--validating-webhook=127.0.0.1:0',
      `--validating-webhook-certificate=${join(certificate.dir, 'tls.crt')}`,
      `--validating-webhook-key=${join(certificate.dir, 'tls.key')}`,
    ],
  });
});

afterEach(async () => {
  await sluice[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
  await certificate[Symbol.asyncDispose]();
});

async function submit(
  raw: unknown,
): Promise<{ readonly allowed: boolean; readonly status?: { readonly message: string } }> {
  const listening = sluice.records.find(({ msg }) => msg === 'the admission webhook listens');
  const answer = await ask({
    scheme: 'https',
    port: Number(listening?.['port']),
    host: 'webhook.test',
    path: '/networking/v1/ingresses',
    method: 'POST',
    body: JSON.stringify(reviewOf(raw)),
  });
  return JSON.parse(answer.body).response;
}

test('a path is refused while another Ingress has it, and no longer', async () => {
  const candidate = rawIngress({ name: 'late', namespace: 'default' });
  const table = sluice.table;
  const refused = await submit(candidate);
  expect(refused).toMatchObject({
    allowed: false,
    status: { message: 'host "a.test" and path "/" is already defined in ingress default/shop' },
  });
  expect(await submit(rawIngress({ name: 'shop', namespace: 'default' }))).toMatchObject({ allowed: true });
  expect(sluice.table).toBe(table);

  await sluice.live(
    () => folder.replace('shop.yaml', textOf(ingress('shop', { hosts: { 'b.test': { '/': 'web' } } }))),
    () => sluice.table.virtualHosts.some(({ name }) => name === 'b.test'),
  );
  expect(await submit(candidate)).toMatchObject({ allowed: true });
  expect(sluice.records.map(({ msg }) => msg)).toContain(
    'Ingress refused: host "a.test" and path "/" is already defined in ingress default/shop',
  );
});
