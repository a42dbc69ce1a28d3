// What the leader says in Events, by the objects and diagnostics it follows, and that a follower says nothing.

import { expect, test } from '@jest/globals';
import { decodeObject } from '../objects/decode.ts';
import type { Diagnostic } from '../objects/diagnostic.ts';
import type { StoreChange } from '../objects/snapshot.ts';
import { ScriptedTransport, settle, statusObject } from '../watch/api/testing/scripted-transport.ts';
import { FakeClock } from '../watch/testing/fake-clock.ts';
import { silentLog } from '../watch/testing/watched-folder.ts';
import { ClusterWriter } from './cluster-writer.ts';

class Setup implements AsyncDisposable {
  readonly transport = new ScriptedTransport();
  readonly writer: ClusterWriter;

  constructor(writesSyncEvents = true) {
    this.writer = new ClusterWriter({
      transport: this.transport,
      isOurs: () => true,
      published: new Map(),
      addresses: {
        publishStatusAddress: ['192.0.2.1'],
        publishService: '',
        reportNodeInternalIpAddress: false,
        pod: { namespace: 'edge', name: '' },
      },
      election: { id: 'leader', ttlMs: 40_000 },
      updateStatus: false,
      updateStatusOnShutdown: false,
      statusUpdateIntervalMs: 60_000,
      writesSyncEvents,
      identity: 'me',
      clock: new FakeClock(),
      wallMs: () => Date.UTC(2026, 0, 31),
      random: () => 0.5,
      log: silentLog,
    });
    this.writer.start();
  }

  /** Nobody has the Lease: this one gets it. */
  async lead(): Promise<void> {
    (await this.transport.take(isLease)).answer(404, statusObject(404, 'NotFound', 'no lease'));
    const lease = { metadata: { namespace: 'edge', name: 'leader', resourceVersion: '1' }, spec: {} };
    (await this.transport.take(isLease)).answer(201, lease);
    await settle();
  }

  /** Reasons of the Events asked for so far, with what they are about. */
  async events(): Promise<string[]> {
    const said: string[] = [];
    for (;;) {
      const request = await this.transport.takeIfAny(({ path }) => path.endsWith('/events'));
      if (request === null) return said;
      const { reason, involvedObject } = request.body as {
        readonly reason: string;
        readonly involvedObject: { readonly kind: string; readonly name: string; readonly uid: string };
      };
      said.push(`${reason} ${involvedObject.kind}/${involvedObject.name} ${involvedObject.uid}`);
      request.answer(201, { count: 1 });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closing = this.writer.close();
    (await this.transport.takeIfAny())?.fail();
    await closing;
  }
}

const isLease = ({ path }: { readonly path: string }) => path.includes('/leases');

function upsert(json: object): StoreChange {
  const { object } = decodeObject(json, null);
  if (object === null) throw new Error('the object of the test cannot be decoded');
  return { kind: 'upsert', object, source: null };
}

const ingress = (host: string) =>
  upsert({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { namespace: 'a', name: 'one', uid: 'uid-1' },
    spec: { rules: [{ host }] },
  });
const configMap = (uid: string) =>
  upsert({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace: 'edge', name: 'tcp', uid }, data: {} });

function problem(kind: string, namespace: string, name: string): Diagnostic {
  const object = { kind, namespace, name };
  return { severity: 'error', reason: 'Wrong', object, field: '', message: 'it is wrong', source: null };
}

test.each([
  [true, ['Sync Ingress/one uid-1']],
  [false, []],
])('changes of an Ingress with Sync Events %s', async (writesSyncEvents, said) => {
  await using setup = new Setup(writesSyncEvents);
  await setup.lead();
  setup.writer.observe([ingress('a.test')]);
  expect(await setup.events()).toEqual(said);
  // Nothing that is served has changed: a status was written, for example.
  setup.writer.observe([ingress('a.test')]);
  expect(await setup.events()).toEqual([]);
});

test('problems of Ingresses and of ConfigMaps, each once; of other kinds and of absent objects none', async () => {
  await using setup = new Setup(false);
  await setup.lead();
  setup.writer.observe([ingress('a.test'), configMap('uid-2')]);
  const wrong = [
    problem('Ingress', 'a', 'one'),
    problem('ConfigMap', 'edge', 'tcp'),
    problem('ConfigMap', 'edge', 'absent'),
    problem('Service', 'a', 'one'),
  ];
  setup.writer.report(wrong);
  expect(await setup.events()).toEqual(['Rejected Ingress/one uid-1', 'Rejected ConfigMap/tcp uid-2']);
  setup.writer.report([...wrong]);
  expect(await setup.events()).toEqual([]);
  // Made anew, it is another object.
  setup.writer.observe([{ kind: 'delete', objectKind: 'ConfigMap', key: 'edge/tcp' }]);
  setup.writer.report([...wrong]);
  setup.writer.observe([configMap('uid-3')]);
  setup.writer.report([...wrong]);
  expect(await setup.events()).toEqual(['Rejected ConfigMap/tcp uid-3']);
});

test('a follower says nothing, and as the next leader what is wrong still', async () => {
  await using setup = new Setup();
  setup.writer.observe([configMap('uid-2')]);
  setup.writer.report([problem('ConfigMap', 'edge', 'tcp')]);
  expect(await setup.events()).toEqual([]);
  await setup.lead();
  expect(await setup.events()).toEqual(['Rejected ConfigMap/tcp uid-2']);
});
