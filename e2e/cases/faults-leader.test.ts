// The leader dies without a word, or clocks jump: another takes over in time and only then, traffic does not notice, and
// nothing is written that stands there already.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { ask } from '../harness/ask.ts';
import { backendKind } from '../harness/backends/choose.ts';
import { startPod } from '../harness/pods.ts';
import { publishedAddress, type Replica, Scene, type SceneOptions } from '../harness/scene.ts';
import { SteadyLoad } from '../harness/steady-load.ts';
import { until } from '../harness/wait.ts';
import { ingressYaml, serviceYaml, sliceYaml } from '../harness/web.ts';

const ttlSeconds = 4;
const skewedClock = new URL('../harness/skewed-clock.mjs', import.meta.url);

/**
 * A scene with a pod behind an Ingress. Each test has its own, because they run side by side: they wait most of the time, for
 * a Lease to run out or to be renewed.
 */
async function openScene(
  options: Pick<SceneOptions, 'node'> = {},
): Promise<AsyncDisposable & { readonly scene: Scene }> {
  await using stack = new AsyncDisposableStack();
  const pod = stack.use(await startPod('pod'));
  const scene = await Scene.open({ flags: [`--election-ttl=${ttlSeconds}s`], ...options });
  stack.defer(() => expect(scene.refused).toEqual([]));
  stack.use(scene);
  await scene.apply(serviceYaml() + sliceYaml(pod) + ingressYaml('one'));
  const opened = stack.move();
  return { scene, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

const leads = (scene: Scene, replica: Replica) =>
  until(
    `${replica.name} as leader`,
    () => scene.leader(),
    (name) => name === replica.name,
  );
const isPublished = (scene: Scene, name: string) =>
  until(
    `the status of ${name}`,
    () => scene.addressesOf(name),
    (addresses) => addresses.join() === publishedAddress,
  );
const portOf = async ({ process }: Replica) => (await process.serving()).httpPort;
const isTold = (scene: Scene, name: string) =>
  until(
    `the Event of ${name}`,
    () => scene.eventsOf(name),
    (events) => events.length > 0,
  );

/** A change after all the others, served, told and written: whatever was still to come has come before it. */
async function settle(scene: Scene, replica: Replica, name: string): Promise<void> {
  await scene.apply(ingressYaml(name));
  const port = await portOf(replica);
  await until(
    name,
    () => ask(port, `${name}.test`),
    ({ status }) => status === 200,
  );
  await isPublished(scene, name);
  await isTold(scene, name);
}

test.concurrent('a leader that is killed: the other takes over within the Lease, and writes nothing twice', async () => {
  await using opened = await openScene();
  const { scene } = opened;
  const first = await scene.startSluice();
  await leads(scene, first);
  await settle(scene, first, 'before');
  const second = await scene.startSluice();
  await using load = new SteadyLoad(await portOf(second), 'one.test');
  const events = await scene.eventsOf('before');
  const mark = scene.gate.log.mark;

  await first.process.kill();
  // Nobody leads: what changes now is told by whoever comes.
  await scene.apply(ingressYaml('meanwhile'));
  const killedAtMs = performance.now();
  await leads(scene, second);
  const tookSeconds = (performance.now() - killedAtMs) / 1000;
  await isPublished(scene, 'meanwhile');
  expect(await isTold(scene, 'meanwhile')).toEqual(['Sync 1 Scheduled for sync']);
  await settle(scene, second, 'after');

  // The Lease has run out when it stood still for its duration as seen by the other, who looks every 1.2 quarters of it.
  expect(tookSeconds).toBeLessThan(ttlSeconds * 1.7 + 2);
  expect(await scene.eventsOf('before')).toEqual(events);
  expect(scene.gate.log.writesSince(mark)).toEqual([
    'create events',
    'create events',
    'patch ingresses/status after',
    'patch ingresses/status meanwhile',
  ]);
  expect((await load.stop()).failures).toEqual([]);
}, 90_000);

/** Pods that run, without a kubelet: a cluster that is lent would remove them. */
const canFakePods = backendKind(process.env) !== 'cluster';
if (!canFakePods) console.warn('e2e/cases/faults-leader.test.ts: no eviction in a cluster that is lent');

(canFakePods ? test.concurrent : test.concurrent.skip)(
  'a leader that is evicted: no wait, no address lost, nothing written twice',
  async () => {
    await using opened = await openScene({ node: 'evicted-node' });
    const { scene } = opened;
    const first = await scene.startSluice();
    await leads(scene, first);
    await settle(scene, first, 'before');
    const second = await scene.startSluice();
    await using load = new SteadyLoad(await portOf(second), 'one.test');
    const mark = scene.gate.log.mark;

    expect(await first.process.stop()).toBe(0);
    // Released, or taken already: nobody has to wait until the Lease has run out.
    expect(['', second.name]).toContain(await scene.leader());
    // Another replica serves, so the address is as true as before.
    expect(await scene.addressesOf('before')).toEqual([publishedAddress]);
    await leads(scene, second);
    await settle(scene, second, 'after');

    expect(await scene.addressesOf('before')).toEqual([publishedAddress]);
    expect(scene.gate.log.writesSince(mark)).toEqual(['create events', 'patch ingresses/status after']);
    // Its successor comes while another leads, and follows.
    const third = await scene.startSluice();
    expect(await third.process.isLeader()).toBe(false);
    expect(await scene.leader()).toBe(second.name);
    expect((await load.stop()).failures).toEqual([]);
  },
  90_000,
);

test.concurrent.each([
  ['a day ahead', 86_400_000],
  ['a day back', -86_400_000],
])(
  'the wall clock of the leader jumps %s: it stays leader and goes on',
  async (_, jumpMs) => {
    await using opened = await openScene();
    const { scene } = opened;
    const clock = join(scene.folder, 'clock');
    await writeFile(clock, '0');
    const first = await scene.startSluice([], { NODE_OPTIONS: `--import=${skewedClock.href}`, E2E_CLOCK_FILE: clock });
    const second = await scene.startSluice();
    await leads(scene, first);
    await isPublished(scene, 'one');
    await using load = new SteadyLoad(await portOf(first), 'one.test');
    const mark = scene.gate.log.mark;

    await writeFile(clock, String(jumpMs));
    const renewedAt = () => scene.renewTime();
    // Proof that the process lives in another time.
    await until('a renewal by the other time', renewedAt, (time) => Math.abs(time - Date.now() - jumpMs) < 60_000);
    // Twice the Lease: a follower that compared its own time with that of the Lease would have taken it.
    const renewals = scene.gate.log.leaseWritesSince(mark);
    await until(
      'more renewals',
      () => scene.gate.log.leaseWritesSince(mark) - renewals,
      (count) => count >= 8,
    );
    expect(await scene.leader()).toBe(first.name);
    expect(await second.process.isLeader()).toBe(false);
    // Tokens are read again, whatever the time.
    scene.gate.refuse(await first.rotateToken());
    await settle(scene, first, 'after');
    expect(scene.gate.log.doneSince(mark)).toEqual(['create events', 'patch ingresses/status after']);
    // Each of the two may have met the old token's end once.
    expect(scene.gate.log.writesSince(mark).length).toBeLessThanOrEqual(4);
    expect((await load.stop()).failures).toEqual([]);
  },
  90_000,
);
