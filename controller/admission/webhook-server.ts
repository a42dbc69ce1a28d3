// The HTTPS server that the API server asks before it stores an Ingress (metrics-and-logs reference §7.1).
//
// In: AdmissionReview over HTTP/1.1, on any path. Out: the decision of `decide`, or a status that tells the API server to
// apply its failurePolicy. Knows no Kubernetes rules.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { PortServer } from '../server/port-server.ts';
import { BodyBudget, type BodyReading } from './body-budget.ts';
import { CertificateFiles } from './certificate-files.ts';
import type { AdmissionDecision } from './decide.ts';
import { type AdmissionRequest, readReview, renderReview } from './review.ts';

export interface WebhookLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** What one review took. Times in milliseconds. */
export interface ReviewFacts {
  readonly decision: AdmissionDecision;
  readonly decideMs: number;
  /** From the complete body to the rendered answer. */
  readonly roundTripMs: number;
  readonly bodyBytes: number;
}

export interface WebhookServerOptions {
  /** '' is every address. */
  readonly host: string;
  /** 0 lets the system choose; see `port`. */
  readonly port: number;
  readonly certPath: string;
  readonly keyPath: string;
  /** null while nothing is known about the cluster yet: the review fails. */
  readonly decide: (request: AdmissionRequest) => AdmissionDecision | null;
  readonly onReview: (facts: ReviewFacts) => void;
  readonly log: WebhookLog;
  /** For `ReviewFacts`, in milliseconds from any start. */
  readonly nowMs: () => number;
  /** As `CertificateFilesOptions.checkEveryMs`. */
  readonly checkCertificateEveryMs?: number;
}

/** 9 MiB, three times what the API server accepts as one object: a review may hold it twice. */
const maxBodyBytes = 9 * 1024 * 1024;
const maxTotalBytes = 4 * maxBodyBytes;
const headersTimeoutMs = 10_000;
/** The API server itself waits 30 s at most (`timeoutSeconds`). */
const requestTimeoutMs = 30_000;
/** Longer than the 90 s for which the API server keeps idle connections, so that it is the one who closes. */
const keepAliveTimeoutMs = 120_000;
const maxConnections = 256;

interface Answer {
  readonly status: number;
  readonly body: string;
}

export class WebhookServer {
  readonly #options: WebhookServerOptions;
  readonly #server: PortServer;
  readonly #files: CertificateFiles;
  readonly #bodies = new BodyBudget(maxBodyBytes, maxTotalBytes);

  private constructor(options: WebhookServerOptions) {
    this.#options = options;
    const server = createServer(
      {
        minVersion: 'TLSv1.2',
        ALPNProtocols: ['http/1.1'],
        headersTimeout: headersTimeoutMs,
        requestTimeout: requestTimeoutMs,
        keepAliveTimeout: keepAliveTimeoutMs,
        handshakeTimeout: headersTimeoutMs,
      },
      (request, response) => void this.#handle(request, response),
    );
    server.maxConnections = maxConnections;
    const { host, port, certPath, keyPath, checkCertificateEveryMs, log } = options;
    const onError = (error: Error): void => log.error({ err: error }, 'admission webhook could not take a connection');
    this.#server = new PortServer(server, { host, port, onError });
    this.#files = new CertificateFiles({
      certPath,
      keyPath,
      onPair: (pair) => {
        server.setSecureContext({ ...pair, minVersion: 'TLSv1.2' });
        log.info({ certificate: certPath }, 'certificate of the admission webhook loaded');
      },
      onProblem: (message) => log.error({}, `certificate of the admission webhook: ${message}`),
      ...(checkCertificateEveryMs === undefined ? {} : { checkEveryMs: checkCertificateEveryMs }),
    });
  }

  /**
   * Starts to listen. Rejects with the system's error, e.g. code `EADDRINUSE`, when the port cannot be opened. Without a
   * usable certificate it listens as well: handshakes fail until the files are good, and traffic is served meanwhile.
   */
  static async start(options: WebhookServerOptions): Promise<WebhookServer> {
    const webhook = new WebhookServer(options);
    await webhook.#server.open();
    await webhook.#files.start();
    return webhook;
  }

  /** The port that is open. */
  get port(): number {
    return this.#server.port;
  }

  /** Stops at once: a review takes milliseconds, and one that is cut is sent again or fails by its policy. */
  async close(): Promise<void> {
    this.#files.close();
    await this.#server.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Never rejects: whatever goes wrong is an answer and a log line. */
  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await this.#bodies.read(request);
    if (body.kind === 'aborted') {
      response.destroy();
      return;
    }
    send(response, this.#answer(body));
  }

  #answer(body: Exclude<BodyReading, { kind: 'aborted' }>): Answer {
    const { log } = this.#options;
    if (body.kind === 'tooLarge') return failure(413, `the body has ${maxBodyBytes} bytes or more`);
    if (body.kind === 'busy') return failure(503, 'too many reviews at once');
    try {
      return this.#review(body.text);
    } catch (error) {
      log.error({ err: error }, 'admission webhook could not answer');
      return failure(500, 'internal error, see the log');
    }
  }

  #review(text: string): Answer {
    const { decide, onReview, nowMs, log } = this.#options;
    const startedAtMs = nowMs();
    const reading = readReview(text);
    if (reading.kind !== 'review') {
      log.warn({}, `admission webhook: ${reading.why}`);
      return failure(reading.kind === 'undecodable' ? 400 : 500, reading.why);
    }
    const decideAtMs = nowMs();
    const decision = decide(reading.request);
    if (decision === null) return failure(500, 'the objects of the cluster are not read yet');
    const decideMs = nowMs() - decideAtMs;
    const body = renderReview(reading.request.uid, decision);
    onReview({ decision, decideMs, roundTripMs: nowMs() - startedAtMs, bodyBytes: Buffer.byteLength(text) });
    return { status: 200, body };
  }
}

function failure(status: number, why: string): Answer {
  return { status, body: JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', message: why }) };
}

function send(response: ServerResponse, { status, body }: Answer): void {
  response.statusCode = status;
  response.setHeader('content-type', 'application/json');
  response.setHeader('content-length', Buffer.byteLength(body));
  response.end(body);
}
