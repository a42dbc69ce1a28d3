// A real browser against `sluice serve`, over HTTP/2 with TLS: a page with parts that are fetched at one time, WebSocket over
// the same connection (RFC 8441), an upload, a large download.

import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import http from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { WebSocketServer } from 'ws';
import { chromiumObstacle, openPage } from '../harness/chromium.ts';
import { listenOnLoopback } from '../harness/loopback-server.ts';
import { writeManifests } from '../harness/manifest-folder.ts';
import { SluiceProcess } from '../harness/sluice-process.ts';

const obstacle = chromiumObstacle();
if (obstacle !== null) console.warn(`e2e/cases/chromium.test.ts is skipped: ${obstacle}`);
const describeInBrowser = obstacle === null ? describe : describe.skip;

const HOST = 'page.test';
const PARTS = 40;
const UPLOAD_BYTES = 3_000_000;
const DOWNLOAD_BYTES = 20_000_000;
const MESSAGES = 500;
const LIMIT_MS = 60_000;

/** What the page found out. */
interface Report {
  readonly error?: string;
  /** `nextHopProtocol` of the page itself, and of everything that it fetched. */
  readonly protocols: readonly string[];
  readonly parts: readonly string[];
  /** SHA-256 of the upload, as the origin saw it. */
  readonly uploaded: string;
  readonly downloadedBytes: number;
  readonly messages: readonly string[];
  readonly binaryBytes: number;
  readonly closeCode: number;
}

/** Runs in the browser. */
const SCRIPT = `
async function run() {
  const parts = await Promise.all(
    Array.from({ length: ${PARTS} }, (_, at) => fetch('/part/' + at).then((answer) => answer.text())),
  );
  const bytes = new Uint8Array(${UPLOAD_BYTES}).map((_, at) => at % 251);
  const uploaded = await fetch('/upload', { method: 'POST', body: bytes }).then((answer) => answer.text());
  const download = await fetch('/download').then((answer) => answer.arrayBuffer());
  const socket = await talk();
  const entries = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
  const protocols = entries.map((entry) => entry.nextHopProtocol);
  return { parts, uploaded, downloadedBytes: download.byteLength, protocols, ...socket };
}
function talk() {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket('wss://' + location.host + '/ws');
    socket.binaryType = 'arraybuffer';
    const messages = [];
    let binaryBytes = 0;
    socket.onopen = () => {
      for (let at = 0; at < ${MESSAGES}; at++) socket.send(String(at));
      socket.send(new Uint8Array(1_000_000));
    };
    socket.onmessage = ({ data }) => {
      if (typeof data === 'string') return messages.push(data);
      binaryBytes = data.byteLength;
      socket.close(4001, 'enough');
    };
    socket.onerror = () => reject(new Error('WebSocket failed'));
    socket.onclose = ({ code }) => resolve({ messages, binaryBytes, closeCode: code });
  });
}
run()
  .catch((error) => ({ error: String(error) }))
  .then((report) => fetch('/report', { method: 'POST', body: JSON.stringify(report) }));
`;

/** Without an icon of its own a browser asks for one whenever it likes. */
const PAGE = `<!doctype html><link rel="icon" href="data:,"><script>${SCRIPT}</script>`;

async function readAll(request: http.IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

describeInBrowser('Chromium', () => {
  let stack: AsyncDisposableStack;
  let sluice: SluiceProcess;
  let report: Report;

  beforeAll(async () => {
    stack = new AsyncDisposableStack();
    const reported = Promise.withResolvers<Report>();
    const timer = setTimeout(() => reported.reject(new Error('the page has not reported')), LIMIT_MS);
    stack.defer(() => clearTimeout(timer));
    const originPort = await startOrigin((text) => reported.resolve(JSON.parse(text) as Report));
    const folder = await writeManifests({
      services: { [HOST]: originPort },
      annotations: { [HOST]: { 'nginx.ingress.kubernetes.io/proxy-body-size': '0' } },
    });
    stack.defer(() => rm(folder, { recursive: true }));
    const flags = ['--manifests', folder, '--configmap=default/settings', '--bind-address=127.0.0.1'];
    sluice = new SluiceProcess(flags, {}, { keepsAccessLog: true });
    stack.defer(() => sluice.kill());
    const { httpsPort } = await sluice.serving();
    stack.use(await openPage(HOST, httpsPort));
    report = await reported.promise;
    // In order: what is logged at the end of a request is all there.
    await sluice.stop();
  }, LIMIT_MS + 60_000);

  afterAll(() => stack.disposeAsync());

  async function startOrigin(onReport: (text: string) => void): Promise<number> {
    const server = http.createServer(async (request, response) => {
      const path = request.url ?? '';
      if (path === '/') {
        response.setHeader('content-type', 'text/html').end(PAGE);
      } else if (path.startsWith('/part/')) response.end(`this is ${path}`);
      else if (path === '/download') response.end(Buffer.alloc(DOWNLOAD_BYTES, 'd'));
      else if (path === '/upload') {
        response.end(
          createHash('sha256')
            .update(await readAll(request))
            .digest('hex'),
        );
      } else if (path === '/report') {
        onReport((await readAll(request)).toString());
        response.end();
      } else response.writeHead(404).end();
    });
    new WebSocketServer({ server, path: '/ws', maxPayload: 2_000_000 }).on('connection', (socket) =>
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })),
    );
    return await listenOnLoopback(server, stack);
  }

  test('everything worked', () => {
    expect(report.error).toBeUndefined();
  });

  test('the page and all that it fetched came over HTTP/2', () => {
    expect(report.protocols).toHaveLength(1 + PARTS + 2);
    expect(new Set(report.protocols)).toEqual(new Set(['h2']));
  });

  test('parts that are fetched at one time are not mixed up', () => {
    expect(report.parts).toEqual(Array.from({ length: PARTS }, (_, at) => `this is /part/${at}`));
  });

  test('an upload and a download arrive whole', () => {
    const sent = Buffer.from(Array.from({ length: UPLOAD_BYTES }, (_, at) => at % 251));
    expect(report.uploaded).toBe(createHash('sha256').update(sent).digest('hex'));
    expect(report.downloadedBytes).toBe(DOWNLOAD_BYTES);
  });

  test('WebSocket: messages both ways, and the close of the page', () => {
    expect(report.messages).toEqual(Array.from({ length: MESSAGES }, (_, at) => String(at)));
    expect(report.binaryBytes).toBe(1_000_000);
    expect(report.closeCode).toBe(4001);
  });

  test('WebSocket went over HTTP/2, as all other requests', () => {
    const requests = sluice.accessLog.map((line) => line.split('"')[1] ?? '');
    expect(requests.filter((line) => line.includes('/ws'))).toEqual(['CONNECT /ws HTTP/2.0']);
    expect(requests.filter((line) => !line.endsWith('HTTP/2.0'))).toEqual([]);
  });
});
