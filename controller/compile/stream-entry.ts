// One entry of a TCP or UDP services ConfigMap: text -> value or what is wrong with it (controller.go, getStreamServices).

import { quoteShort } from '../objects/host-name.ts';

export interface StreamEntry {
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
  readonly namespace: string;
  readonly service: string;
  /** Number in decimal, or name. */
  readonly servicePort: string;
  readonly isNumber: boolean;
  readonly expectsProxyHeader: boolean;
  readonly sendsProxyHeader: boolean;
}

export type StreamEntryOutcome =
  | { readonly ok: true; readonly entry: StreamEntry; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly why: string };

/** A port that Sluice itself listens on, and for what. */
export interface ReservedPort {
  readonly port: number;
  /** A flag, as `--http-port`. */
  readonly flag: string;
}

const dnsLabel = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const portNumber = /^[1-9]\d{0,4}$/;

/**
 * Parses one entry. The words PROXY are read in any case; other words in their place are ignored with a warning, as are PROXY
 * headers of UDP, which has none. Deviation: a TCP port of Sluice's own is refused for TCP alone, since UDP has its own ports.
 */
export function parseStreamEntry(
  protocol: 'tcp' | 'udp',
  key: string,
  text: string,
  reservedPorts: readonly ReservedPort[],
): StreamEntryOutcome {
  const port = Number(key);
  if (!portNumber.test(key) || port > 65_535) return bad('is not a port number (1 to 65535)');
  const reserved = protocol === 'tcp' ? reservedPorts.find((candidate) => candidate.port === port) : undefined;
  if (reserved !== undefined) return bad(`is the port of ${reserved.flag}`);
  const [reference = '', servicePort = '', decode = '', encode = '', ...more] = text.trim().split(':');
  const [namespace = '', service = '', ...rest] = reference.split('/');
  if (more.length > 0 || rest.length > 0 || !dnsLabel.test(namespace) || !dnsLabel.test(service)) {
    return bad(`value ${quoteShort(text)} is not of the form namespace/service:port[:PROXY][:PROXY]`);
  }
  const isNumber = /^\d+$/.test(servicePort);
  if (isNumber ? !portNumber.test(servicePort) || Number(servicePort) > 65_535 : !dnsLabel.test(servicePort)) {
    return bad(`value ${quoteShort(text)} names no port number and no port name`);
  }
  const isTcp = protocol === 'tcp';
  const entry = {
    protocol,
    port,
    namespace,
    service,
    servicePort,
    isNumber,
    expectsProxyHeader: isTcp && isProxy(decode),
    sendsProxyHeader: isTcp && isProxy(encode),
  };
  return { ok: true, entry, warnings: [decode, encode].flatMap((word) => warningOf(word, isTcp)) };
}

function isProxy(word: string): boolean {
  return word.toUpperCase() === 'PROXY';
}

function warningOf(word: string, isTcp: boolean): string[] {
  if (word === '') return [];
  if (!isProxy(word))
    return [`the word ${quoteShort(word)} is not PROXY; it is ignored, and no PROXY header is read or sent for it`];
  return isTcp ? [] : ['UDP has no PROXY headers; the word PROXY is ignored'];
}

function bad(why: string): StreamEntryOutcome {
  return { ok: false, why };
}
