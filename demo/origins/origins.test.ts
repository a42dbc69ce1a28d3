// The demo origins answer as the demo's manifests and README promise.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import { listen, type Origin } from './origin.ts';
import { ORIGIN_PORTS, startOrigins } from './start-origins.ts';
import type { WhoamiReport } from './whoami.ts';

const FREE_PORTS = { whoami1: 0, whoami2: 0, site: 0, chat: 0, slow: 0, failing: 0, defaultBackend: 0 };

let origins: Origin[] = [];
beforeAll(async () => {
  origins = await startOrigins(FREE_PORTS);
});
afterAll(() => Promise.all(origins.map((origin) => origin.close())));

function urlOf(name: string, path: string, scheme = 'http'): string {
  const origin = origins.find((candidate) => candidate.name === name);
  return `${scheme}://127.0.0.1:${origin?.port}${path}`;
}

describe('whoami', () => {
  test('reports what it received, as JSON', async () => {
    const response = await fetch(urlOf('whoami, second replica', '/a?b=c'), {
      method: 'POST',
      headers: { accept: 'application/json', 'X-Custom': 'yes' },
      body: 'hello',
    });
    const report = (await response.json()) as WhoamiReport;
    expect(report).toMatchObject({
      replica: 'whoami-2',
      method: 'POST',
      target: '/a?b=c',
      httpVersion: '1.1',
      bodyBytes: 5,
    });
    expect(report.headers).toContainEqual([expect.stringMatching(/^x-custom$/i), 'yes']);
    expect(response.headers.get('x-replica')).toBe('whoami-2');
  });

  test('reports as text otherwise', async () => {
    const response = await fetch(urlOf('whoami, first replica', '/x'));
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(await response.text()).toMatch(/^replica whoami-1, .*body of 0 bytes\n\nGET \/x HTTP\/1\.1\nhost: /i);
  });
});

describe('site', () => {
  test.each([
    ['/', 'text/html; charset=utf-8'],
    ['/?q', 'text/html; charset=utf-8'],
    ...readdirSync(join(import.meta.dirname, '../site')).map((name) => [`/${name}`, expect.any(String)] as const),
  ])('serves %s', async (path, contentType) => {
    const response = await fetch(urlOf('site', path));
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toEqual(contentType);
    expect((await response.arrayBuffer()).byteLength).toBe(Number(response.headers.get('content-length')));
  });

  test.each(['/missing', '/../origins/site.ts', '/%2e%2e/package.json'])('has no %s', async (path) => {
    expect((await fetch(urlOf('site', path))).status).toBe(404);
  });
});

describe('lab', () => {
  test('slow streams five lines', async () => {
    expect((await (await fetch(urlOf('slow', '/'))).text()).split('\n').filter(Boolean)).toHaveLength(5);
  });

  test('slow keeps an answer back on request', async () => {
    expect(await (await fetch(urlOf('slow', '/?ms=1'))).text()).toBe('after 1 ms\n');
  });

  test('failing answers 500, cuts the connection, or talks nonsense', async () => {
    expect((await fetch(urlOf('failing', '/'))).status).toBe(500);
    await expect(fetch(urlOf('failing', '/?how=reset'))).rejects.toThrow();
    await expect(fetch(urlOf('failing', '/?how=garbage'))).rejects.toThrow();
  });

  test('the default backend answers 404', async () => {
    expect((await fetch(urlOf('default backend', '/anything'))).status).toBe(404);
  });
});

/** Collects what a guest hears until the line that satisfies `isLast`. */
function hearUntil(guest: WebSocket, isLast: (line: string) => boolean): Promise<string[]> {
  const heard: string[] = [];
  return new Promise((resolve, reject) => {
    guest.once('error', reject);
    guest.on('message', (data) => {
      const line = String(data);
      heard.push(line);
      if (isLast(line)) resolve(heard);
    });
  });
}

test('chat: every guest hears every line, a new one hears the last ones', async () => {
  const first = new WebSocket(urlOf('chat', '/ws', 'ws'));
  await hearUntil(first, (line) => line === '* guest 1 joined');
  const second = new WebSocket(urlOf('chat', '/ws', 'ws'));
  const secondHeard = hearUntil(second, (line) => line === 'guest 1: hello');
  await hearUntil(first, (line) => line === '* guest 2 joined');
  first.send('hello');
  expect(await secondHeard).toEqual(['* guest 1 joined', '* guest 2 joined', 'guest 1: hello']);
});

test('a taken port is one clear line, and nothing is left running', async () => {
  await using taken = Object.assign(await listen('taken', 0, () => {}), {
    async [Symbol.asyncDispose](): Promise<void> {
      await taken.close();
    },
  });
  const start = startOrigins({ ...FREE_PORTS, slow: taken.port });
  await expect(start).rejects.toThrow(`port ${taken.port} for the demo origin "slow" is taken`);
});

test('every origin has a port of its own', () => {
  const ports = Object.values(ORIGIN_PORTS);
  expect(new Set(ports).size).toBe(ports.length);
});
