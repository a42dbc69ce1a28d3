// A load balancer of the fourth layer, as a cloud puts one before the nodes: spreads connections over the targets whose
// health check answers 200, and resets connections to a target that has become unhealthy.
//
// Argument: Config as JSON. Writes one line when it listens, and one whenever a target comes or goes.

import { writeSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';

interface Config {
  readonly address: string;
  readonly port: number;
  readonly targets: readonly string[];
  readonly targetPort: number;
  readonly healthPort: number;
  readonly healthPath: string;
  /** Between two checks, and the limit of one. */
  readonly intervalMs: number;
  /** Failed checks in a row that make a target unhealthy. One that succeeds makes it healthy. */
  readonly threshold: number;
}

interface Target {
  readonly address: string;
  readonly sockets: Set<Socket>;
  failures: number;
  isHealthy: boolean;
}

const config = JSON.parse(process.argv[2] ?? '') as Config;
const targets = config.targets.map(
  (address): Target => ({ address, sockets: new Set(), failures: 0, isHealthy: false }),
);
let turn = 0;

function isAnswering(target: Target): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(config.healthPort, target.address);
    const end = (isHealthy: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(isHealthy);
    };
    const timer = setTimeout(() => end(false), config.intervalMs);
    socket.on('error', () => end(false));
    socket.on('end', () => end(false));
    socket.once('data', (head) => end(head.toString('latin1').startsWith('HTTP/1.1 200 ')));
    socket.write(`GET ${config.healthPath} HTTP/1.1\r\nHost: ${target.address}\r\nConnection: close\r\n\r\n`);
  });
}

async function check(target: Target): Promise<void> {
  const isHealthy = await isAnswering(target);
  target.failures = isHealthy ? 0 : target.failures + 1;
  const next = isHealthy || (target.isHealthy && target.failures < config.threshold);
  if (next !== target.isHealthy) {
    target.isHealthy = next;
    writeSync(1, `${target.address} ${next ? 'healthy' : 'unhealthy'}\n`);
    if (!next) for (const socket of target.sockets) socket.resetAndDestroy();
  }
  setTimeout(() => void check(target), config.intervalMs);
}

function serve(client: Socket): void {
  const healthy = targets.filter(({ isHealthy }) => isHealthy);
  const target = healthy[turn++ % Math.max(1, healthy.length)];
  if (target === undefined) {
    client.resetAndDestroy();
    return;
  }
  const server = connect({ port: config.targetPort, host: target.address, noDelay: true, allowHalfOpen: true });
  for (const [socket, other] of [
    [client, server],
    [server, client],
  ] as const) {
    socket.pipe(other);
    target.sockets.add(socket);
    socket.on('close', () => {
      target.sockets.delete(socket);
      other.destroy();
    });
    socket.on('error', () => other.resetAndDestroy());
  }
}

createServer({ noDelay: true, allowHalfOpen: true }, serve).listen(config.port, config.address, () =>
  writeSync(1, 'listening\n'),
);
for (const target of targets) void check(target);
