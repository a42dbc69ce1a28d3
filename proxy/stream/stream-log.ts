// Writes the access log of TCP connections, UDP sessions and passthrough, in the format of `log-format-stream` (nginx's
// variables; metrics-and-logs.md, `log_stream`). One line each, when it is over.

import { renderTime } from '../observe/access-log.ts';
import {
  logVariablePattern,
  type StreamLogVariable,
  type StreamSettings,
  streamLogVariables,
} from '../table/stream-settings.ts';
import type { StreamRecord } from './stream-record.ts';

/** Renders one line without its line feed. */
export type StreamLine = (record: StreamRecord, nowMs: number) => string;

/** Renders finished records as the settings at hand say. */
export class StreamLog {
  readonly #settings: () => StreamSettings;
  readonly #write: (line: string) => void;
  readonly #wallMs: () => number;
  #format: string | null = null;
  #line: StreamLine = () => '';

  /** `write` gets lines with their line feed. */
  constructor(settings: () => StreamSettings, wallMs: () => number, write: (line: string) => void) {
    this.#settings = settings;
    this.#wallMs = wallMs;
    this.#write = write;
  }

  add(record: StreamRecord): void {
    const { accessLog, logFormat } = this.#settings();
    if (!accessLog) return;
    if (logFormat !== this.#format) {
      this.#format = logFormat;
      this.#line = streamLine(logFormat);
    }
    this.#write(`${this.#line(record, this.#wallMs())}\n`);
  }
}

type Part = string | ((record: StreamRecord, nowMs: number) => string);

const variables: Readonly<Record<StreamLogVariable, (record: StreamRecord, nowMs: number) => string>> = {
  remote_addr: ({ client }) => client.address,
  remote_port: ({ client }) => String(client.port),
  server_addr: ({ client }) => client.localAddress,
  server_port: ({ client }) => String(client.localPort),
  time_local: (_record, nowMs) => renderTime(nowMs),
  time_iso8601: (_record, nowMs) => `${new Date(nowMs).toISOString().slice(0, 19)}+00:00`,
  msec: (_record, nowMs) => (nowMs / 1000).toFixed(3),
  protocol: ({ origin }) => origin.protocol.toUpperCase(),
  status: ({ status }) => String(status),
  bytes_sent: ({ bytesSent }) => String(bytesSent),
  bytes_received: ({ bytesReceived }) => String(bytesReceived),
  session_time: ({ durationMs }) => (durationMs / 1000).toFixed(3),
  upstream_addr: ({ endpoint }) => (endpoint === null ? '-' : renderEndpoint(endpoint.address, endpoint.port)),
  proxy_upstream_name: ({ origin }) => upstreamName(origin),
  ssl_preread_server_name: ({ origin }) => (origin.serverName === '' ? '-' : escapeName(origin.serverName)),
};

/** Reads a format once; gives what renders its lines. What looks like no variable is text. */
export function streamLine(format: string): StreamLine {
  const parts: Part[] = [];
  let rest = format;
  for (let found = logVariablePattern.exec(rest); found !== null; found = logVariablePattern.exec(rest)) {
    const name = found[1] ?? found[2] ?? '';
    parts.push(rest.slice(0, found.index), isKnown(name) ? variables[name] : '-');
    rest = rest.slice(found.index + found[0].length);
  }
  parts.push(rest);
  return (record, nowMs) => parts.map((part) => (typeof part === 'string' ? part : part(record, nowMs))).join('');
}

function isKnown(name: string): name is StreamLogVariable {
  return (streamLogVariables as readonly string[]).includes(name);
}

function renderEndpoint(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** As ingress-nginx names stream upstreams; passthrough has none there. */
function upstreamName({ protocol, namespace, service, servicePort, serverName }: StreamRecord['origin']): string {
  return serverName === '' ? `${protocol}-${namespace}-${service}-${servicePort}` : '-';
}

/** A client chose it: whatever could end the line or be taken for something else is written as `\xHH`, as nginx does. */
function escapeName(name: string): string {
  return name.replace(/[^!#-[\]-~]/g, (char) => `\\x${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}
