// A Sluice process and an API server, from outside: from the first table to the last write, as one story.

import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ask } from '../harness/ask.ts';
import { machineAddress } from '../harness/machine-address.ts';
import { type Pod, startPod } from '../harness/pods.ts';
import { publishedAddress, type Replica, Scene } from '../harness/scene.ts';
import { until } from '../harness/wait.ts';
import { ingressYaml, serviceYaml, sliceYaml } from '../harness/web.ts';

const address = machineAddress();
if (address === null)
  console.warn('e2e/cases/cluster.test.ts is skipped: this machine has no address besides loopback');
const foreignIngress = ingressYaml('foreign', { className: 'CLASS-other' });
const describeWithAddress = address === null ? describe.skip : describe;

describeWithAddress('a Sluice process and an API server', () => {
  let scene: Scene;
  let first: Pod;
  let second: Pod;
  let sluice: Replica;
  let httpPort: number;
  /** Has the port that a TCP service asks for. */
  let taken: net.Server;

  const answerOf = (host: string) => ask(httpPort, host);
  const isPublished = (addresses: readonly string[]) => addresses.join() === publishedAddress;

  beforeAll(async () => {
    const flags = ['--tcp-services-configmap=APPS/tcp'];
    [scene, first, second] = await Promise.all([Scene.open({ flags }), startPod('first'), startPod('second')]);
    taken = net.createServer().listen(0);
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    await scene.apply(serviceYaml() + sliceYaml(first) + ingressYaml('one') + foreignIngress + tcpYaml(port));
    sluice = await scene.startSluice();
    ({ httpPort } = await sluice.process.serving());
  }, 120_000);

  afterAll(async () => {
    await scene[Symbol.asyncDispose]();
    await Promise.all([first, second].map((pod) => pod[Symbol.asyncDispose]()));
    taken.close();
    expect(scene.refused).toEqual([]);
  });

  // One story: each chapter needs the one before.
  test('from the first table to the last write', async () => {
    expect(await answerOf('one.test')).toEqual({ status: 200, body: 'first' });
    expect((await answerOf('foreign.test')).status).toBe(404);

    // The status of ours is written, that of another class is not.
    await until('the status', () => scene.addressesOf('one'), isPublished);
    expect(await scene.addressesOf('foreign')).toEqual([]);

    // A new Ingress answers, gets its address and its Event; a broken one is told.
    await scene.apply(ingressYaml('two'));
    await until(
      'the new host',
      () => answerOf('two.test'),
      ({ status }) => status === 200,
    );
    await until('its status', () => scene.addressesOf('two'), isPublished);
    await until(
      'its Event',
      () => scene.eventsOf('two'),
      (events) => events.some((event) => event.startsWith('Sync')),
    );
    await scene.apply(ingressYaml('broken', { service: 'nowhere' }));
    const told = await until(
      'the rejection',
      () => scene.eventsOf('broken'),
      (events) => events.length > 1,
    );
    expect(told.some((event) => event.startsWith('Sync'))).toBe(true);
    expect(told.some((event) => event.includes('nowhere'))).toBe(true);
    await until('its status', () => scene.addressesOf('broken'), isPublished);

    // So is a ConfigMap that a flag names.
    await until(
      'the rejection of a TCP service',
      () => scene.eventsOf('tcp'),
      (events) => events.some((event) => /^Rejected .*StreamPortNotOpen: .*EADDRINUSE/.test(event)),
    );

    // Endpoints move.
    await scene.apply(sliceYaml(second));
    await until(
      'the second pod',
      () => answerOf('one.test'),
      ({ body }) => body === 'second',
    );

    // The server goes: traffic goes on, and metrics say how old the objects are.
    await scene.gate.close();
    const age = () => sluice.process.metric('sluice_api_last_contact_age_seconds{resource="ingresses"}');
    await until('objects that age', age, (seconds) => seconds > 1);
    expect(await answerOf('one.test')).toEqual({ status: 200, body: 'second' });
    await scene.gate.open();
    await scene.apply(sliceYaml(first));
    await until(
      'the first pod again',
      () => answerOf('one.test'),
      ({ body }) => body === 'first',
    );

    // The end: addresses are taken back, the Lease is free.
    expect(await sluice.process.stop()).toBe(0);
    expect(await scene.addressesOf('one')).toEqual([]);
    expect(await scene.leader()).toBe('');
  }, 90_000);
});

function tcpYaml(port: number): string {
  return `
---
apiVersion: v1
kind: ConfigMap
metadata: { name: tcp, namespace: APPS }
data: { "${port}": APPS/web:80 }
`;
}
