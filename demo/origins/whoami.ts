// Says which replica answered and what reached it: the way to see what the proxy adds and where a request went.

import type { IncomingMessage, RequestListener } from 'node:http';

/** What a replica reports. `headers` keeps order and spelling of the wire. */
export interface WhoamiReport {
  readonly replica: string;
  readonly method: string;
  readonly target: string;
  readonly httpVersion: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly bodyBytes: number;
  readonly remoteAddress: string;
}

/** Answers text for people, or JSON with `Accept: application/json`. */
export function whoami(replica: string): RequestListener {
  return async (request, response) => {
    let bodyBytes = 0;
    for await (const chunk of request) bodyBytes += (chunk as Buffer).length;
    const report = reportOf(replica, request, bodyBytes);
    const wantsJson = request.headers.accept?.includes('application/json') ?? false;
    const body = wantsJson ? `${JSON.stringify(report, null, 2)}\n` : renderReport(report);
    response.writeHead(200, {
      'content-type': wantsJson ? 'application/json' : 'text/plain; charset=utf-8',
      'content-length': Buffer.byteLength(body),
      'x-replica': replica,
    });
    response.end(body);
  };
}

function reportOf(replica: string, request: IncomingMessage, bodyBytes: number): WhoamiReport {
  const headers: [string, string][] = [];
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    headers.push([request.rawHeaders[i] ?? '', request.rawHeaders[i + 1] ?? '']);
  }
  return {
    replica,
    method: request.method ?? '',
    target: request.url ?? '',
    httpVersion: request.httpVersion,
    headers,
    bodyBytes,
    remoteAddress: `${request.socket.remoteAddress}:${request.socket.remotePort}`,
  };
}

function renderReport(report: WhoamiReport): string {
  const headers = report.headers.map(([name, value]) => `${name}: ${value}\n`).join('');
  return `replica ${report.replica}, asked by ${report.remoteAddress}, body of ${report.bodyBytes} bytes

${report.method} ${report.target} HTTP/${report.httpVersion}
${headers}`;
}
