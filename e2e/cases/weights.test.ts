// Weights of endpoints, a hint on their EndpointSlice: shares, and a change while requests run.

import { expect, test } from '@jest/globals';
import { bodiesOf, tally } from '../upstreams/checks.ts';
import type { Site } from '../upstreams/site.ts';
import { Town } from '../upstreams/town.ts';

test('shares follow the weights, and change with them', async () => {
  await using town = await Town.start([
    { endpoints: [{ weight: '3' }, {}, {}] },
    { endpoints: [{ weight: '8' }, {}], with: { 'upstream-hash-by': '$request_uri' } },
    { endpoints: [{ weight: '3' }, {}], with: { 'sluice/balancer': 'least-connections' } },
  ]);
  const [turns, hashed, least] = town.sites as [Site, Site, Site];
  expect(tally(bodiesOf(await turns.askTimes(10)))).toEqual({ web0: 6, web1: 2, web2: 2 });

  const keys = await hashed.askTimes(90, (at) => ({ path: `/item/${at}` }));
  expect(tally(bodiesOf(keys))['web0']).toBeGreaterThan(60);

  least.answerWith((call) => least.hold(call));
  const asked = least.askTogether(8);
  expect(tally(await least.held(8))).toEqual({ web0: 6, web1: 2 });
  least.release();
  await asked;

  turns.parts[0] = {};
  turns.parts[2] = { weight: '2' };
  await town.update(turns);
  expect(tally(bodiesOf(await turns.askTimes(12)))).toEqual({ web0: 3, web1: 3, web2: 6 });
}, 60_000);
