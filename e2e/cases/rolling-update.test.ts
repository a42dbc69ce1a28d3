// A Deployment of ten pods is rolled over twenty times while clients ask without a pause and hold WebSockets open, for
// each way in which pods take SIGTERM. Nothing idempotent may fail, and no WebSocket may end before its pod ends it.
//
// Pods are processes on two nodes, Sluice serves on both; see e2e/netns.

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { until } from '../harness/wait.ts';
import { ask } from '../netns/ask.ts';
import { Cluster, HOST } from '../netns/cluster.ts';
import { whyNoLab } from '../netns/commands.ts';
import { Deployment } from '../netns/deployment.ts';
import { Load } from '../netns/load.ts';
import type { PodBehaviour } from '../netns/pod.ts';
import { HTTP_PORT } from '../netns/sluice.ts';
import { WebSockets } from '../netns/web-sockets.ts';

const REPLICAS = 10;
const ROLLOUTS = 20;
const KEEP_ALIVE_CLIENTS = 12;
const WEB_SOCKET_CLIENTS = 12;

const obstacle = whyNoLab();
if (obstacle !== null) console.warn(`e2e/cases/rolling-update.test.ts is skipped: ${obstacle}`);
const describeInLab = obstacle === null ? describe : describe.skip;

describeInLab('a Deployment of ten pods is rolled over twenty times', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await Cluster.start({ nodes: 2, podsPerNode: 16, graceMs: 400, raceMs: 30 });
  }, 120_000);

  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]();
  }, 60_000);

  test.each<PodBehaviour>(['stop', 'drain', 'hang'])(
    'pods that %s at SIGTERM: no request fails, each WebSocket ends with its pod',
    async (behaviour) => {
      const { addresses, random } = cluster;
      await using deployment = new Deployment(cluster.pods, behaviour, REPLICAS);
      await deployment.rollOut();
      for (const address of addresses) {
        const isUp = ({ status }: { readonly status: number }) => status === 200;
        await until(`the first answer at ${address}`, () => ask(address, HOST), isUp);
      }
      for (const sluice of cluster.sluices) sluice.takeFailedRequests();
      const target = { addresses, port: HTTP_PORT, host: HOST };
      await using load = new Load({ ...target, clients: KEEP_ALIVE_CLIENTS, maxDelayMs: 30, random });
      const mayEnd = (pod: string | null) => pod !== null && deployment.find(pod)?.mayEndConnections === true;
      await using sockets = new WebSockets({ ...target, clients: WEB_SOCKET_CLIENTS, mayEnd });

      for (let i = 0; i < ROLLOUTS; i++) await deployment.rollOut();
      // Those that are left still work: a socket that is dead without having ended would be an end too.
      const echoes = sockets.echoes + WEB_SOCKET_CLIENTS;
      await until(
        'more echoes',
        () => sockets.echoes,
        (count) => count > echoes,
      );
      await sockets.stop();
      await load.stop();
      await deployment.close();

      const failedRequests = cluster.sluices.flatMap((sluice) => sluice.takeFailedRequests());
      expect({ failures: load.failures, failedRequests }).toEqual({ failures: [], failedRequests: [] });
      expect(sockets.faults).toEqual([]);
      // It was what it says: all pods were asked, and sockets moved on with each rollout.
      expect(load.answers.size).toBeGreaterThan(REPLICAS * ROLLOUTS * 0.9);
      expect(sockets.ended).toBeGreaterThan(ROLLOUTS);
      for (const sluice of cluster.sluices) expect(sluice.isRunning).toBe(true);
    },
    200_000,
  );
});
