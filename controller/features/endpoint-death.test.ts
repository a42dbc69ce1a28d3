// An endpoint's process is killed under load. GETs must not notice while another endpoint lives; a POST may fail, but must
// never be delivered twice.

import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { FeatureSluice } from './testing/feature-sluice.ts';
import { KeepAliveClient } from './testing/keep-alive-client.ts';
import { TestFolder } from './testing/manifest-folder.ts';
import { ingress, ingressClass, serviceWith, textOf } from './testing/manifests.ts';
import { OriginProcess } from './testing/origin-process.ts';

const HOST = 'fragile.test';
/** An empty POST leaves nothing but its method to tell that it must not be sent again. */
const KINDS = {
  get: { method: 'GET' },
  post: { method: 'POST', body: 'once only' },
  'empty-post': { method: 'POST', body: '' },
} as const;
type Kind = keyof typeof KINDS;
const CLIENTS_PER_KIND = 6;
/** Deliveries to the origin before it is killed, and to another one afterwards. */
const DELIVERIES = 100;

let stack: AsyncDisposableStack;
let origins: readonly OriginProcess[];
let sluice: FeatureSluice;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  origins = await Promise.all([1, 2, 3].map(() => OriginProcess.start()));
  for (const origin of origins) stack.use(origin);
  const ports = origins.map(({ port }) => port);
  const text = textOf(
    ingressClass,
    ...serviceWith('fragile', ...ports),
    ingress('fragile', { hosts: { [HOST]: { '/': 'fragile' } } }),
  );
  const folder = stack.use(await TestFolder.create({ 'all.yaml': text }));
  sluice = stack.use(await FeatureSluice.start(folder.dir, { flags: ['--workers=2'] }));
});

afterEach(() => stack.disposeAsync());

/** What became of the requests, by `METHOD path`: a status, or the error of the connection. Each path is asked once. */
type Outcomes = Map<string, number | string>;

/** Asks on one connection until `mayGoOn` says no; each question has a path of its own. */
async function loadWith(kind: Kind, client: number, mayGoOn: () => boolean, outcomes: Outcomes): Promise<void> {
  using connection = new KeepAliveClient('http', sluice.httpPort);
  for (let i = 0; mayGoOn(); i++) {
    const path = `/${kind}/${client}/${i}`;
    const outcome = await connection.ask({ host: HOST, path, ...KINDS[kind] }).then(
      ({ status }) => status,
      (error: Error) => error.message,
    );
    outcomes.set(`${KINDS[kind].method} ${path}`, outcome);
  }
}

/** Loads all origins with requests of every kind while `act` runs. */
async function underLoad(act: () => Promise<void>): Promise<Outcomes> {
  const outcomes: Outcomes = new Map();
  let isOver = false;
  const loads = (Object.keys(KINDS) as Kind[]).flatMap((kind) =>
    Array.from({ length: CLIENTS_PER_KIND }, (_, client) => loadWith(kind, client, () => !isOver, outcomes)),
  );
  try {
    await act();
  } finally {
    isOver = true;
    await Promise.all(loads);
  }
  return outcomes;
}

/** How often each request was delivered, over all origins. */
function countDeliveries(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const request of origins.flatMap(({ deliveries }) => deliveries))
    counts.set(request, (counts.get(request) ?? 0) + 1);
  return counts;
}

function outcomesOf(method: string, outcomes: Outcomes): [request: string, outcome: number | string][] {
  return [...outcomes].filter(([request]) => request.startsWith(method));
}

test.each([
  ['one of three', 1],
  ['two of three, one after the other', 2],
])('kill -9 of %s: no GET fails, no POST arrives twice', async (_name, victims) => {
  const survivor = origins.at(-1) as OriginProcess;
  const outcomes = await underLoad(async () => {
    for (const victim of origins.slice(0, victims)) {
      await victim.delivered(DELIVERIES, 'POST /empty-post');
      await victim.kill();
      await survivor.delivered(survivor.deliveries.length + DELIVERIES);
    }
  });
  for (const origin of origins) await origin.kill();

  expect(outcomesOf('GET', outcomes).filter(([, outcome]) => outcome !== 200)).toEqual([]);
  const delivered = countDeliveries();
  const posts = outcomesOf('POST', outcomes).map(([request, outcome]) => ({
    request,
    outcome,
    deliveries: delivered.get(request) ?? 0,
  }));
  expect(posts.filter(({ outcome, deliveries }) => outcome === 200 && deliveries !== 1)).toEqual([]);
  expect(posts.filter(({ outcome, deliveries }) => outcome !== 200 && deliveries > 1)).toEqual([]);
  // What fails was under way to the killed process, or met a kept connection to it; the client is told so.
  const failures = posts.filter(({ outcome }) => outcome !== 200);
  expect(failures.filter(({ outcome }) => outcome !== 502)).toEqual([]);
  expect(failures.length).toBeLessThanOrEqual(2 * victims * 2 * CLIENTS_PER_KIND);
  expect(posts.length).toBeGreaterThan(DELIVERIES);
});
