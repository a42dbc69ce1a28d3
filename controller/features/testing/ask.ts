// One request to a listener on loopback, and its complete answer.

import { type Agent, request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { TLSSocket } from 'node:tls';

export interface Question {
  readonly scheme?: 'http' | 'https';
  readonly port: number;
  readonly host: string;
  readonly path?: string;
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string;
  /** Default: a connection of its own. */
  readonly agent?: Agent;
  /** SNI of an HTTPS question. Default: the host. */
  readonly servername?: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  /** Connection the answer came on. */
  readonly socket: IncomingMessage['socket'];
  /** Serial number of the certificate; '' over plain HTTP. */
  readonly serialNumber: string;
}

/** Asks and resolves with the complete answer. Rejects when the connection fails before the end of the body. */
export function ask(question: Question): Promise<Answer> {
  const {
    scheme = 'http',
    port,
    host,
    path = '/',
    method = 'GET',
    headers = {},
    body,
    agent,
    servername = host,
  } = question;
  const options = {
    host: '127.0.0.1',
    port,
    path,
    method,
    agent: agent ?? false,
    headers: { host, ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }), ...headers },
  };
  const request =
    scheme === 'http' ? httpRequest(options) : httpsRequest({ ...options, servername, rejectUnauthorized: false });
  return new Promise((resolve, reject) => {
    request.once('error', reject);
    request.once('response', (response) => readAnswer(response, scheme).then(resolve, reject));
    request.end(body);
  });
}

async function readAnswer(response: IncomingMessage, scheme: 'http' | 'https'): Promise<Answer> {
  // Both are gone from the response when an agent has taken its connection back.
  const { socket } = response;
  const serialNumber = scheme === 'https' ? (socket as TLSSocket).getPeerCertificate().serialNumber : '';
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks).toString();
  return { status: response.statusCode ?? 0, headers: response.headers, body, socket, serialNumber };
}
