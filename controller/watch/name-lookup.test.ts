import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { expect, test } from '@jest/globals';
import { systemClock } from './clock.ts';
import { askForAddresses, systemNameLookup } from './name-lookup.ts';

/** A DNS server on loopback that knows one A record with its TTL, and answers NXDOMAIN to everything else. */
async function startDns(name: string, address: string, ttlSeconds: number) {
  const socket = createSocket('udp4');
  socket.on('message', (query, peer) =>
    socket.send(answerTo(query, name, address, ttlSeconds), peer.port, peer.address),
  );
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const close = () => new Promise<void>((resolve) => socket.close(resolve));
  return { server: `127.0.0.1:${socket.address().port}`, [Symbol.asyncDispose]: close };
}

/** RFC 1035 §4.1: the question is copied, its name referred to by a pointer to byte 12. */
function answerTo(query: Buffer, name: string, address: string, ttlSeconds: number): Buffer {
  const encodedName = Buffer.concat([
    ...name.split('.').map((label) => Buffer.from([label.length, ...Buffer.from(label)])),
    Buffer.from([0]),
  ]);
  const questionEnd = query.indexOf(0, 12) + 5;
  const isKnown = query.subarray(12, questionEnd - 4).equals(encodedName) && query.readUInt16BE(questionEnd - 4) === 1;
  const header = Buffer.from([
    ...query.subarray(0, 2),
    0x81,
    isKnown ? 0x80 : 0x83,
    0,
    1,
    0,
    isKnown ? 1 : 0,
    0,
    0,
    0,
    0,
  ]);
  const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, ttlSeconds, 0, 4, ...address.split('.').map(Number)]);
  return Buffer.concat([header, query.subarray(12, questionEnd), ...(isKnown ? [record] : [])]);
}

test('asks DNS for addresses and their TTL', async () => {
  await using dns = await startDns('a.test', '10.0.0.1', 7);
  const answer = await askForAddresses('a.test', systemNameLookup([dns.server]), systemClock);
  expect(answer).toEqual({ kind: 'addresses', addresses: ['10.0.0.1'], ttlSeconds: 7 });
});

test('asks the system when DNS knows no such name', async () => {
  await using dns = await startDns('a.test', '10.0.0.1', 7);
  const answer = await askForAddresses('localhost', systemNameLookup([dns.server]), systemClock);
  expect(answer).toEqual({ kind: 'addresses', addresses: expect.arrayContaining(['127.0.0.1']), ttlSeconds: null });
});
