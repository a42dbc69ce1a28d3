// PROXY protocol version 1: one line of text (proxy-protocol.txt §2.1). PURE.

import { type IpBytes, parseIpv4, parseIpv6, renderIp } from './ip-text.ts';
import type { ProxyHeaderReading } from './proxy-header.ts';

/** The longest line that the protocol allows, CRLF included. */
const MAX_LINE_BYTES = 107;

const CR = 13;
const LF = 10;

/** Reads a line that begins with `PROXY `, or with a part of that. */
export function readProxyV1(buf: Buffer, end: number): ProxyHeaderReading {
  const limit = Math.min(end, MAX_LINE_BYTES);
  const lineFeed = buf.subarray(0, limit).indexOf(LF);
  if (lineFeed === -1) {
    return end >= MAX_LINE_BYTES ? refused('a line of more than 107 bytes') : { kind: 'more', atLeast: end + 1 };
  }
  if (buf[lineFeed - 1] !== CR) return refused('a line that does not end in CRLF');
  return readLine(buf.latin1Slice(0, lineFeed - 1), lineFeed + 1);
}

function readLine(line: string, length: number): ProxyHeaderReading {
  // Receivers must ignore what follows UNKNOWN.
  if (line === 'PROXY UNKNOWN' || line.startsWith('PROXY UNKNOWN ')) return { kind: 'done', length, addresses: null };
  const [, family, source, destination, sourcePort, destinationPort, ...rest] = line.split(' ');
  if (rest.length > 0 || source === undefined || destination === undefined) return refused('a malformed line');
  const parse = family === 'TCP4' ? parseIpv4 : family === 'TCP6' ? parseIpv6 : null;
  if (parse === null) return refused('an unknown protocol');
  const addresses = addressesOf(parse(source), parse(destination), parsePort(sourcePort), parsePort(destinationPort));
  return addresses === null ? refused('a malformed address or port') : { kind: 'done', length, addresses };
}

function addressesOf(
  source: IpBytes | null,
  destination: IpBytes | null,
  sourcePort: number | null,
  destinationPort: number | null,
) {
  if (source === null || destination === null || sourcePort === null || destinationPort === null) return null;
  return {
    sourceAddress: renderIp(source),
    sourcePort,
    destinationAddress: renderIp(destination),
    destinationPort,
  };
}

/** 0 to 65535 without leading zeros. */
function parsePort(text: string | undefined): number | null {
  if (text === undefined || !/^(0|[1-9]\d{0,4})$/.test(text)) return null;
  const port = Number(text);
  return port > 65_535 ? null : port;
}

function refused(why: string): ProxyHeaderReading {
  return { kind: 'refused', why };
}
