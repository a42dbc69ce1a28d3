// Which HTTP/1.1 connections may serve another request: only those on which nothing of the one before can still come or go.

import { expect, test } from '@jest/globals';
import { type DataPath, eventually, startDataPath } from './testing/data-path.ts';
import { startRawOrigin } from './testing/origin.ts';
import { connectRaw } from './testing/raw-client.ts';
import { STREAMED } from './testing/test-proxy.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

const connectionsOf = (path: DataPath) => path.leftovers().upstreamConnections;

test('not one whose request was answered before it was sent whole', async () => {
  await using origin = await startRawOrigin((socket) => socket.write(OK));
  await using path = await startDataPath([{ endpoints: [origin.port], policy: STREAMED }]);
  using client = await connectRaw(path.port);
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\npart');
  await client.until((text) => text.includes('\r\n\r\nok'));
  await eventually(() => connectionsOf(path) === 0);
  using other = await connectRaw(path.port);
  other.send(GET);
  expect((await other.responses(1))[0]?.status).toBe(200);
  expect(origin.received).toHaveLength(2);
  expect(origin.received[1]).toMatch(/^GET /);
});

test('not one whose endpoint has answered, but has not read the request', async () => {
  await using origin = await startRawOrigin((socket) => {
    socket.pause();
    socket.write(OK);
  });
  await using path = await startDataPath([{ endpoints: [origin.port], policy: { ...STREAMED, maxBodyBytes: null } }]);
  using client = await connectRaw(path.port);
  const size = 24 * 1024 * 1024;
  client.send(`PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`);
  client.socket.write(Buffer.alloc(size, 'x'));
  await client.until((text) => text.includes('\r\n\r\nok'));
  await eventually(() => connectionsOf(path) === 0);
});

test('part of a head and the end of a used connection: the endpoint fails, and is not asked again for free', async () => {
  await using origin = await startRawOrigin((socket, soFar, connection) => {
    if (connection === 0 && soFar.split('\r\n\r\n').length > 2) socket.end('HTTP/1.1 2');
    else socket.write(OK);
  });
  await using path = await startDataPath([{ endpoints: [origin.port], policy: { maxAttempts: 1 } }]);
  using client = await connectRaw(path.port);
  client.send(GET);
  await client.responses(1);
  client.send(GET);
  const [, second] = await client.responses(2);
  expect(second?.status).toBe(502);
  expect(path.requests.at(-1)).toMatchObject({ reason: 'upstreamTruncated' });
  expect(origin.connections).toBe(1);
});

test('the end of a used connection before any byte: bad luck, so that even a single attempt is made on another one', async () => {
  await using origin = await startRawOrigin((socket, soFar, connection) => {
    if (connection === 0 && soFar.split('\r\n\r\n').length > 2) socket.end();
    else socket.write(OK);
  });
  await using path = await startDataPath([{ endpoints: [origin.port], policy: { maxAttempts: 1 } }]);
  using client = await connectRaw(path.port);
  client.send(GET);
  await client.responses(1);
  client.send(GET);
  expect((await client.responses(2))[1]?.status).toBe(200);
  expect(origin.connections).toBe(2);
});
