// The API server of the benchmark as a process of its own, so that neither its work nor its garbage collection shows up
// in the client or in the pods. It fills itself; the parent tells it what to change, by messages.

import { fork } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startApiServer } from '../../e2e/apiserver/server.ts';
import {
  generateKeyPair,
  hasCertificate,
  hostOf,
  ingressClass,
  ingressOf,
  LIVE,
  type PodAddress,
  secretOf,
  serviceOf,
  sliceOf,
} from './cluster.ts';

/** What the parent may ask for. */
type ApiCommand =
  | { readonly kind: 'fill'; readonly ingresses: number; readonly pod: PodAddress }
  | { readonly kind: 'apply'; readonly objects: readonly object[] }
  | { readonly kind: 'changeSteadily'; readonly ingresses: number; readonly steady: SteadyChanges }
  /** Every watch is lost and its history forgotten (410): all has to be read again. */
  | { readonly kind: 'forgetHistory' }
  | { readonly kind: 'countWrites' };

interface Numbered {
  readonly id: number;
  readonly command: ApiCommand;
}

/** Endpoints of Ingresses nobody asks for move, one after the other. */
export interface SteadyChanges {
  readonly perSecond: number;
  readonly durationMs: number;
}

/** Requests that have changed something since the start, by what they were for. */
export interface WriteCounts {
  readonly statuses: number;
  readonly events: number;
}

export interface ApiProcess {
  readonly kubeconfig: string;
  /** Resolves when the objects are stored. */
  readonly apply: (objects: readonly object[]) => Promise<void>;
  /** Resolves with the number of changes made. */
  readonly changeSteadily: (steady: SteadyChanges) => Promise<number>;
  readonly forgetHistory: () => Promise<void>;
  readonly countWrites: () => Promise<WriteCounts>;
  readonly stop: () => Promise<void>;
}

/** Starts the process with a cluster of the given size in it. The live Ingresses lead to `pod`. */
export async function startApiProcess(ingresses: number, pod: PodAddress): Promise<ApiProcess> {
  const child = fork(fileURLToPath(import.meta.url), { serialization: 'json' });
  const waiting = new Map<number, (answer: unknown) => void>();
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.on('message', ({ id, answer }: { readonly id: number; readonly answer: unknown }) => {
    waiting.get(id)?.(answer);
    waiting.delete(id);
  });
  child.once('exit', (code) => {
    if (waiting.size > 0) throw new Error(`the API server ended with exit code ${code}`);
  });
  let lastId = 0;
  const ask = (command: ApiCommand): Promise<unknown> => {
    lastId += 1;
    const id = lastId;
    const answered = new Promise<unknown>((resolve) => waiting.set(id, resolve));
    child.send({ id, command } satisfies Numbered);
    return answered;
  };
  const kubeconfig = (await ask({ kind: 'fill', ingresses, pod })) as string;
  return {
    kubeconfig,
    apply: async (objects) => void (await ask({ kind: 'apply', objects })),
    changeSteadily: async (steady) => (await ask({ kind: 'changeSteadily', ingresses, steady })) as number,
    forgetHistory: async () => void (await ask({ kind: 'forgetHistory' })),
    countWrites: async () => (await ask({ kind: 'countWrites' })) as WriteCounts,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

type ApiServer = Awaited<ReturnType<typeof startApiServer>>;

async function run(api: ApiServer, command: ApiCommand): Promise<unknown> {
  switch (command.kind) {
    case 'fill':
      await fill(api, command.ingresses, command.pod);
      return api.kubeconfig();
    case 'apply':
      await api.apply(command.objects);
      return null;
    case 'changeSteadily':
      return await changeSteadily(api, command.ingresses, command.steady);
    case 'forgetHistory':
      api.compact();
      api.faults.dropWatches();
      return null;
    case 'countWrites':
      return {
        statuses: api.log.count({ verb: 'patch', resource: 'ingresses.networking.k8s.io/status' }),
        events: api.log.count({ resource: 'events' }),
      };
  }
}

async function fill(api: ApiServer, ingresses: number, pod: PodAddress): Promise<void> {
  await api.apply([ingressClass]);
  for (let i = 0; i < ingresses; i++) {
    const isTls = hasCertificate(i, ingresses);
    const objects = [serviceOf(i), sliceOf(i, i < LIVE ? pod : null), ingressOf(i, isTls)];
    if (isTls) objects.push(secretOf(i, await generateKeyPair(hostOf(i))));
    await api.apply(objects);
  }
  // Nobody watches yet. What is kept for later watches is three times as much as the cluster, and slows this process down.
  api.compact();
}

/** Returns how many changes were made. */
async function changeSteadily(
  api: ApiServer,
  ingresses: number,
  { perSecond, durationMs }: SteadyChanges,
): Promise<number> {
  const startMs = performance.now();
  let made = 0;
  while (performance.now() < startMs + durationMs) {
    await api.apply([sliceOf(LIVE + ((made * 7919) % (ingresses - LIVE)), null, made + 1)]);
    made += 1;
    await delay(Math.max(0, startMs + (made * 1000) / perSecond - performance.now()));
  }
  return made;
}

if (process.send !== undefined) {
  const api = await startApiServer();
  process.on('disconnect', () => process.exit(0));
  process.on('message', ({ id, command }: Numbered) => {
    void run(api, command).then((answer) => process.send?.({ id, answer }));
  });
}
