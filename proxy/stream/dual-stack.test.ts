// IPv4 and IPv6 side by side: listeners, endpoints, and what is told of clients.

import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import { expect, test } from '@jest/globals';
import { startReplyingOrigin } from '../forward/testing/origin.ts';
import { TestProxy, tableOf } from '../forward/testing/test-proxy.ts';
import { defaultBind } from '../table/stream-settings.ts';
import { hostsToBind } from './bind.ts';
import { closedPort, readAll, TcpOrigin, UdpOrigin } from './testing/stream-origin.ts';
import { publishServices } from './testing/stream-table.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n';

test.each<[string, Partial<typeof defaultBind>, readonly string[]]>([
  ['', {}, ['']],
  ['', { hasIpv6: false }, ['0.0.0.0']],
  ['', { addresses: ['10.0.0.1', 'fd00::1'] }, ['10.0.0.1', 'fd00::1']],
  ['', { addresses: ['10.0.0.1', 'fd00::1'], hasIpv6: false }, ['10.0.0.1']],
  ['', { addresses: ['fd00::1'], hasIpv6: false }, ['0.0.0.0']],
  ['127.0.0.1', { addresses: ['10.0.0.1'] }, ['127.0.0.1']],
])('--bind-address=%j with %j listens on %j', (flag, settings, hosts) => {
  expect(hostsToBind(flag, { ...defaultBind, ...settings })).toEqual(hosts);
});

/** Asks over TCP and gives all of the answer. */
async function ask(port: number, host: string, text: string): Promise<string> {
  const client = net.connect({ port, host, allowHalfOpen: true });
  client.end(text);
  const answer = String(await readAll(client));
  client.destroy();
  return answer;
}

test('one listener takes both kinds of client, and shows each as what it is', async () => {
  await using origin = await startReplyingOrigin('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  await using proxy = new TestProxy();
  proxy.publish(tableOf([{ endpoints: [origin.port] }]));
  const port = await proxy.worker.listen({ name: 'http', protocol: 'http', host: '', port: 0 });
  for (const address of ['127.0.0.1', '::1']) {
    const client = net.connect(port, address);
    client.write(GET);
    expect(String(await readAll(client))).toMatch(/200 OK/);
    client.destroy();
    expect(origin.received.join('')).toContain(`X-Forwarded-For: ${address}\r\n`);
  }
});

test('without IPv6 only IPv4 is taken', async () => {
  await using proxy = new TestProxy();
  proxy.publish(tableOf([], { bind: { addresses: [], hasIpv6: false } }));
  const port = await proxy.worker.listen({ name: 'http', protocol: 'http', host: '', port: 0 });
  await expect(once(net.connect(port, '::1'), 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  const client = net.connect(port, '127.0.0.1');
  await once(client, 'connect');
  client.destroy();
});

test('several addresses share one port', async () => {
  await using proxy = new TestProxy();
  proxy.publish(tableOf([], { bind: { addresses: ['127.0.0.1', '::1'], hasIpv6: true } }));
  const port = await proxy.worker.listen({ name: 'http', protocol: 'http', host: '', port: await closedPort() });
  for (const address of ['127.0.0.1', '::1']) {
    const client = net.connect(port, address);
    await once(client, 'connect');
    client.destroy();
  }
  await expect(once(net.connect(port, '127.0.0.2'), 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

test.each([
  ['::', '::1', 'TCP6 ::1 ::1'],
  ['::', '127.0.0.1', 'TCP4 127.0.0.1 127.0.0.1'],
])('a TCP service on %s asked from %s sends PROXY %s to an IPv6 endpoint', async (bindHost, client, header) => {
  await using origin = await TcpOrigin.echo('::1');
  await using proxy = new TestProxy({ bindHost });
  await publishServices(proxy, [{ endpoints: [origin.port], address: '::1', sendsProxyHeader: true }]);
  const port = proxy.worker.streams.portOf('tcp:1');
  expect(await ask(port, client, 'hello')).toMatch(new RegExp(`^PROXY ${header} \\d+ ${port}\\r\\nhello$`));
});

test.each(['127.0.0.1', '::1'])('a UDP service on every address answers %s from an IPv6 endpoint', async (address) => {
  await using origin = await UdpOrigin.start((datagram) => [`re: ${datagram}`], '::1');
  await using proxy = new TestProxy({ bindHost: '' });
  await publishServices(proxy, [{ id: 'udp:1', endpoints: [origin.port], address: '::1' }]);
  const client = dgram.createSocket(address.includes(':') ? 'udp6' : 'udp4');
  client.send('question', proxy.worker.streams.portOf('udp:1'), address);
  const [answer] = (await once(client, 'message')) as [Buffer];
  client.close();
  expect(String(answer)).toBe('re: question');
});
