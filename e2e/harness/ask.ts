// One request to a proxy on loopback, on a connection of its own.

import { get } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly body: string;
}

const limitMs = 5000;

/** Rejects when there is no whole answer within 5 s. */
export function ask(port: number, host: string, path = '/'): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const options = { host: '127.0.0.1', port, path, headers: { host }, agent: false as const, timeout: limitMs };
  const request = get(options, (response) => {
    let body = '';
    response.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    response.on('error', reject);
  });
  request.on('error', reject);
  request.on('timeout', () => request.destroy(new Error('no answer in time')));
  return promise;
}
