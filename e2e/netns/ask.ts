// Single requests: from this process, or from a node that this process cannot reach.

import { get } from 'node:http';
import { inside, run } from './commands.ts';
import type { Lab, LabNode } from './lab.ts';
import { HEALTH_PORT, HTTP_PORT } from './sluice.ts';

const LIMIT_MS = 10_000;

export interface LabAnswer {
  /** 0 when there was none; `body` then says why. */
  readonly status: number;
  readonly body: string;
}

/** Asks over a connection of its own. Never rejects. */
export function ask(address: string, host: string, path = '/', port = HTTP_PORT): Promise<LabAnswer> {
  return new Promise((resolve) => {
    const fail = (error: Error) => resolve({ status: 0, body: error.message });
    const options = { host: address, port, path, headers: { host }, agent: false, timeout: LIMIT_MS };
    const request = get(options, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      response.on('error', fail);
    });
    request.on('timeout', () => request.destroy(new Error('no answer in time')));
    request.on('error', fail);
  });
}

/** Asks the Sluice on the node from the node itself. */
export async function askOnNode(lab: Lab, node: LabNode, host: string): Promise<LabAnswer> {
  const [program, ...before] = inside(node.namespace);
  const script = await lab.program('probe');
  const stdout = await run(program, [...before, process.execPath, script, node.address, String(HTTP_PORT), host]);
  const [, status = '0', body = ''] = /^(\d+) (.*)/.exec(stdout) ?? [];
  return { status: Number(status), body: body || stdout };
}

/** The pod that an answer is of; null for an answer by Sluice itself. */
export function podOf({ status, body }: LabAnswer): string | null {
  return status === 200 ? (JSON.parse(body) as { readonly pod: string }).pod : null;
}

/** The sum of a metric over all its labels, as the Sluice on the node tells it. */
export async function metricOf(node: LabNode, name: string): Promise<number> {
  const { body } = await ask(node.address, node.address, '/metrics', HEALTH_PORT);
  const values = body.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'gm'));
  return [...values].reduce((sum, [, value]) => sum + Number(value), 0);
}
