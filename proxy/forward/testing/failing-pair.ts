// Endpoints that fail as they are told, and requests to them, for tests of further attempts.

import { defaultHealth } from '../../table/defaults.ts';
import type { RoutePolicy } from '../../table/types.ts';
import type { UpstreamHealth } from '../../table/upstream-settings.ts';
import { type DataPath, startDataPath } from './data-path.ts';
import { type RawOrigin, startRawOrigin } from './origin.ts';
import { connectRaw, type RawResponse } from './raw-client.ts';

export const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
export const replyOf = (status: number) => `HTTP/1.1 ${status} Some\r\nContent-Length: 4\r\nX-From: origin\r\n\r\nsome`;

/** A proxy with two endpoints, of which the one that replies `bad` is asked first: round robin starts at the lower port. */
export async function startPair(bad: string, policy: Partial<RoutePolicy>, health: UpstreamHealth = defaultHealth) {
  const origins = await Promise.all([startSwitching(), startSwitching()]);
  const [first, second] = origins.toSorted((a, b) => a.origin.port - b.origin.port) as [Switching, Switching];
  first.reply = bad;
  const endpoints = [first.origin.port, second.origin.port];
  const proxy = await startDataPath([{ endpoints, policy, upstream: { health } }]);
  return {
    proxy,
    first,
    second,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      for (const { origin } of origins) await origin[Symbol.asyncDispose]();
    },
  };
}

export interface Switching {
  origin: RawOrigin;
  reply: string;
  /** It answers when it has seen this much of a request. */
  answersAt: string;
}

export async function startSwitching(): Promise<Switching> {
  const self = { reply: OK, answersAt: '\r\n\r\n' } as Switching;
  self.origin = await startRawOrigin((socket, soFar) => {
    if (soFar.includes(self.answersAt)) socket.write(self.reply, 'latin1');
  });
  return self;
}

/** Requests that have come. */
export const countOf = ({ received }: RawOrigin): number => received.join('').split(' HTTP/1.1\r\n').length - 1;

export async function ask(proxy: DataPath, method = 'GET', body = ''): Promise<RawResponse> {
  using client = await connectRaw(proxy.port);
  const length = body === '' ? '' : `Content-Length: ${body.length}\r\n`;
  client.send(`${method} / HTTP/1.1\r\nHost: a\r\n${length}\r\n${body}`);
  return (await client.responses(1))[0] as RawResponse;
}

/** An origin that answers the first request of a connection and closes at the second, as at the end of a keep-alive time. */
export function startForgetful(): Promise<RawOrigin> {
  return startRawOrigin((socket, soFar) => {
    if (soFar.split(' HTTP/1.1\r\n').length > 2) socket.destroy();
    else if (soFar.includes('\r\n\r\n')) socket.write(OK);
  });
}
