// Clients that ask for much and read nothing: what one worker holds for all of them is bounded.

import { expect, test } from '@jest/globals';
import { eventually, startDataPath } from './testing/data-path.ts';
import { startRawOrigin } from './testing/origin.ts';
import { connectRaw, type RawClient } from './testing/raw-client.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
/** More than the system takes for a connection whose client does not read. */
const REQUESTS = 80;
const KIB = 1024;

/** Waits until a number has not changed for some turns of the event loop. */
async function settled(value: () => number): Promise<void> {
  let before = Number.NaN;
  for (let quiet = 0; quiet < 200; quiet = value() === before ? quiet + 1 : 0) {
    before = value();
    await new Promise(setImmediate);
  }
}

/** All that waits before long transfers and small buffers are the rule (CROWDED_BYTES), and a small buffer for each. */
const mostWaiting = (readers: number): number => 4 * 1024 * KIB + 128 * KIB + readers * 33 * KIB;

test.each([
  [150, 'of 100 KB each, pipelined', 100 * KIB],
  [50, 'of 1 MB each, pipelined', 1024 * KIB],
])('%d clients that do not read their responses %s', async (readers, _name, size) => {
  const response = Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n${'x'.repeat(size)}`, 'latin1');
  let answered = 0;
  await using origin = await startRawOrigin((socket) => {
    answered++;
    socket.write(response);
  });
  await using path = await startDataPath([{ endpoints: [origin.port] }]);
  const { buffers } = path.context;
  const before = process.memoryUsage().arrayBuffers;
  const clients: RawClient[] = [];
  for (let i = 0; i < readers; i++) {
    const client = await connectRaw(path.port);
    client.socket.pause();
    clients.push(client);
    client.send(GET.repeat(REQUESTS));
  }
  await settled(() => answered);
  expect(answered).toBeLessThan(readers * REQUESTS);
  expect(buffers.waitingBytes).toBeGreaterThan(0);
  expect(buffers.waitingBytes).toBeLessThan(mostWaiting(readers));
  // The memory itself, with what is not collected yet; all responses together are gigabytes.
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(96 * 1024 * KIB);
  for (const client of clients) client.socket.destroy();
  await eventually(
    () => path.leftovers().openConnections === 0 && buffers.waitingBytes === 0,
    () => ({ ...path.leftovers(), waitingBytes: buffers.waitingBytes }),
  );
});
