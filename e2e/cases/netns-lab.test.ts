// The lab itself: what the other cases stand on. A wire that is cut must really be cut, and a run that dies must not
// leave anything on the machine.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { until } from '../harness/wait.ts';
import { inside, run, whyNoLab } from '../netns/commands.ts';
import { Lab } from '../netns/lab.ts';

const obstacle = whyNoLab();
if (obstacle !== null) console.warn(`e2e/cases/netns-lab.test.ts is skipped: ${obstacle}`);
const describeInLab = obstacle === null ? describe : describe.skip;

/** How a connection to a port that nobody listens on ends: an answer comes, or nothing does within a second. */
async function reach(namespace: string, address: string): Promise<'refused' | 'silence'> {
  const [program, ...before] = inside(namespace);
  const args = [...before, 'timeout', '1', 'bash', '-c', `echo > /dev/tcp/${address}/9`];
  const error = await run(program, args).then(String, String);
  return error.includes('refused') ? 'refused' : 'silence';
}

async function namespaces(): Promise<readonly string[]> {
  return (await run('ip', ['netns', 'list'])).split('\n').map((line) => line.split(' ')[0] ?? '');
}

describeInLab('a lab', () => {
  test('cuts of a node and of one address are silent, and end', async () => {
    await using lab = await Lab.create();
    const first = await lab.addNode('node-1', 1);
    const second = await lab.addNode('node-2', 1);
    const [ownPod, otherPod] = [first.podNetworks[0]?.address ?? '', second.podNetworks[0]?.address ?? ''];
    const all = [lab.clientAddress, lab.apiAddress, ownPod, otherPod, second.address];
    const view = () => Promise.all(all.map((address) => reach(first.namespace, address)));

    expect(await view()).toEqual(['refused', 'refused', 'refused', 'refused', 'refused']);
    await first.disconnect();
    expect(await view()).toEqual(['silence', 'silence', 'refused', 'silence', 'silence']);
    await first.connect();
    await first.cutOff(lab.apiAddress);
    expect(await view()).toEqual(['refused', 'silence', 'refused', 'refused', 'refused']);
    await first.restore(lab.apiAddress);
    expect(await view()).toEqual(['refused', 'refused', 'refused', 'refused', 'refused']);
  }, 60_000);

  test('lost connections carry nothing any more, new ones do', async () => {
    await using lab = await Lab.create();
    const node = await lab.addNode('node-1', 0);
    const received: string[] = [];
    const sockets: Socket[] = [];
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => {});
      socket.on('data', (data) => {
        received.push(String(data));
        socket.write(data);
      });
    });
    server.listen(0, lab.apiAddress);
    await once(server, 'listening');
    const { port } = server.address() as { readonly port: number };
    // Says "old" and, when it is told to, "lost" on the same connection; then "new" on another one.
    const script = `
      const { connect } = require('node:net');
      const old = connect(${port}, '${lab.apiAddress}', () => old.write('old'));
      old.once('data', () => console.log('up'));
      process.stdin.once('data', () => {
        old.write('lost', () => {
          const next = connect(${port}, '${lab.apiAddress}', () => next.write('new'));
          next.once('data', () => process.exit());
        });
      });`;
    const [program, ...before] = inside(node.namespace);
    const client = spawn(program, [...before, process.execPath, '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
    await once(client.stdout, 'data');
    expect(await node.loseConnections(lab.apiAddress)).toBe(1);
    client.stdin.write('go');
    await once(client, 'exit');
    expect(received).toEqual(['old', 'new']);
    // The lost one never hears that its client is gone.
    for (const socket of sockets) socket.destroy();
    server.close();
  }, 60_000);

  test('a run that was killed leaves nothing once the next one begins', async () => {
    // Its name is found again: another run may have swept, and taken the block, by the time this one looks.
    const relic = `relic-${randomBytes(4).toString('hex')}`;
    const script = `
      import { Lab } from ${JSON.stringify(new URL('../netns/lab.ts', import.meta.url).href)};
      import { LabProcess } from ${JSON.stringify(new URL('../netns/lab-process.ts', import.meta.url).href)};
      const lab = await Lab.create();
      const { namespace } = await lab.addHost('${relic}');
      const args = ['-e', 'console.log(process.pid); setInterval(() => {}, 1000)'];
      new LabProcess({ namespace, args, onLine: (pid) => console.log(pid) });`;
    const dead = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { PATH: process.env['PATH'] },
    });
    const [pid] = (await once(dead.stdout, 'data')) as [Buffer];
    const relics = async () => (await namespaces()).filter((name) => name.endsWith(relic));
    expect(await relics()).toHaveLength(1);
    dead.kill('SIGKILL');
    await once(dead, 'exit');

    await using _lab = await Lab.create();
    expect(await relics()).toEqual([]);
    await until(
      'the end of its process',
      () => existsSync(`/proc/${String(pid).trim()}`),
      (isThere) => !isThere,
    );
    for (const name of (await readdir(tmpdir())).filter((file) => /^sluice-lab-\d+\.owner$/.test(file))) {
      const owner = await readFile(join(tmpdir(), name), 'utf8').catch(() => '');
      expect(owner.split(' ')[0]).not.toBe(String(dead.pid));
    }
  }, 60_000);
});
