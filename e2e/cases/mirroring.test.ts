// Copies of requests as users have them: of HTTP/2 clients, with targets that take their time, within the limits of the
// ConfigMap. Values of the annotations: annotations-mirroring.test.ts.

import { once } from 'node:events';
import { connect } from 'node:http2';
import { expect, test } from '@jest/globals';
import { stringify } from 'yaml';
import { until } from '../harness/wait.ts';
import { statusesOf, tally } from '../upstreams/checks.ts';
import type { Told } from '../upstreams/client.ts';
import type { Call, Reply } from '../upstreams/endpoints.ts';
import { ingress, Layout } from '../upstreams/layout.ts';

const services = ['main', 'shadow', 'swamp'];

interface Place {
  readonly layout: Layout;
  /** What came to `shadow` and `swamp`. */
  readonly copies: readonly Call[];
}

/** `/` is copied to `shadow`, `/swamp` to `swamp`, whose answer is given here. */
async function place(settings: Readonly<Record<string, string>> = {}, swamp: Reply = 'silence'): Promise<Place> {
  const copies: Call[] = [];
  const answer = (call: Call): Reply => {
    if (call.endpoint === 'main') return {};
    copies.push(call);
    return call.endpoint === 'swamp' ? swamp : {};
  };
  const configMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings' }, data: settings };
  const layout = await Layout.start(
    services,
    { settings: stringify(configMap) },
    { answer, flags: ['--configmap=default/settings'] },
  );
  const to = (service: string) => ({ 'mirror-target': `${layout.urlOf(service)}$request_uri` });
  await layout.change('web', ingress('web', { paths: { '/': 'main' }, annotations: to('shadow') }));
  await layout.change('swamp', ingress('swamp', { paths: { '/swamp': 'main' }, annotations: to('swamp') }));
  return { layout, copies };
}

function copiesEnded({ layout }: Place, result: string): Promise<number> {
  return layout.edge.metric('sluice_mirrored_requests_total', { result });
}

async function ended(at: Place, result: string, count: number): Promise<void> {
  await until(
    `${count} copies ${result}`,
    () => copiesEnded(at, result),
    (each) => each === count,
  );
}

test('the copy of an HTTP/2 request is an HTTP/1.1 request like the one that the Service gets', async () => {
  const at = await place();
  await using _layout = at.layout;
  const session = connect(`https://127.0.0.1:${at.layout.edge.ports.https}`, { rejectUnauthorized: false });
  const stream = session.request({
    ':authority': 'a.test',
    ':method': 'POST',
    ':path': '/a/b?c=d',
    cookie: ['a=1', 'b=2'],
    te: 'trailers',
    'x-mark': 'same',
  });
  for (const part of ['hel', 'lo']) stream.write(part);
  stream.end();
  expect((await stream.setEncoding('utf8').toArray()).join('')).toBe('main');
  await ended(at, 'sent', 1);
  const [copy] = at.copies;
  expect(copy).toMatchObject({ endpoint: 'shadow', method: 'POST', path: '/a/b?c=d', body: 'hello' });
  const { host } = new URL(at.layout.urlOf('shadow'));
  expect(copy?.headers).toMatchObject({ host, cookie: 'a=1; b=2', 'x-mark': 'same', 'content-length': '5' });
  expect(copy?.headers).not.toHaveProperty('te');
  session.close();
  await once(session, 'close');
}, 60_000);

test('a target that swallows its copies costs neither their requests nor the copies of others anything', async () => {
  const settings = { 'sluice-mirror-max-requests': '8', 'sluice-mirror-max-requests-per-target': '5' };
  const at = await place({ ...settings, 'sluice-mirror-timeout': '60' });
  await using layout = at.layout;
  // One connection is served by one worker. Any wait for a copy would be a minute.
  const told: Told[] = [];
  for (let each = 0; each < 200; each++)
    told.push(await layout.client().ask({ path: '/swamp', method: 'POST', body: 'x' }));
  expect(tally(statusesOf(told))).toEqual({ 200: 200 });
  await until(
    'copies',
    () => at.copies.length,
    (count) => count === 5,
  );
  expect(await copiesEnded(at, 'targetFull')).toBe(195);
  for (let each = 1; each <= 10; each++) {
    expect((await layout.client().ask({ path: '/' })).status).toBe(200);
    await ended(at, 'sent', each);
  }
}, 60_000);

test.each<[string, Record<string, string>, string]>([
  ['time', { 'sluice-mirror-timeout': '1' }, 'timedOut'],
  ['number', { 'sluice-mirror-max-requests': '0' }, 'tooMany'],
  ['size of bodies', { 'sluice-mirror-max-body-size': '4' }, 'bodyTooLarge'],
  ['memory', { 'sluice-mirror-max-memory': '4' }, 'memoryFull'],
])(
  'the limit of their %s is that of the ConfigMap',
  async (_name, settings, result) => {
    const at = await place(settings);
    await using layout = at.layout;
    expect((await layout.client().ask({ path: '/swamp', method: 'POST', body: 'hello' })).status).toBe(200);
    await ended(at, result, 1);
    expect(at.copies).toHaveLength(result === 'timedOut' ? 1 : 0);
  },
  60_000,
);

test('what Sluice answers itself is not copied', async () => {
  const at = await place();
  await using layout = at.layout;
  const refused = { 'limit-rpm': '1', 'limit-burst-multiplier': '1', 'mirror-target': layout.urlOf('shadow') };
  await layout.change('web', ingress('web', { paths: { '/': 'main' }, annotations: refused }));
  const statuses: string[] = [];
  for (let each = 0; each < 6; each++) statuses.push(String((await layout.client().ask()).status));
  expect(tally(statuses)).toEqual({ 200: 2, 503: 4 });
  await ended(at, 'sent', 2);
  await layout.endpointsOf('main', 'gone');
  expect((await layout.client().ask({ path: '/swamp' })).status).toBe(503);
  await ended(at, 'requestFailed', 1);
  expect(at.copies).toHaveLength(2);
}, 60_000);
