// How connections to endpoints are made: plain or TLS, HTTP/1.1 or HTTP/2, by what the route's policy says.
//
// Connections are pooled by transport: those of one are alike in all that an endpoint can see.

import net, { type Socket } from 'node:net';
import tls from 'node:tls';
import { attachDataEvents, connectSocket, type SocketOwner } from '../listen/sockets.ts';
import type { EndpointAddress, RoutePolicy } from '../table/types.ts';
import { isGrpc, isOverTls, type UpstreamProtocol, type UpstreamTls } from '../table/upstream-protocol.ts';
import { TlsSessions } from './tls-sessions.ts';

type Kind = Exclude<UpstreamProtocol, 'auto'>;

export class Transport {
  /** Equal for transports that may share connections. */
  readonly id: string;
  readonly kind: Kind;
  readonly isTls: boolean;
  readonly isHttp2: boolean;
  readonly isGrpc: boolean;
  /** null: nothing is verified and no name is sent, as in nginx by default. */
  readonly tls: UpstreamTls | null;
  readonly sessions = new TlsSessions();
  #context: tls.SecureContext | null = null;

  constructor(kind: Kind, settings: UpstreamTls | null) {
    this.kind = kind;
    this.id = settings === null ? kind : `${kind} ${JSON.stringify(settings)}`;
    this.isTls = isOverTls(kind);
    this.isGrpc = isGrpc(kind);
    this.isHttp2 = this.isGrpc || kind === 'http2';
    this.tls = settings;
  }

  /** Made with the first connection. Throws what OpenSSL says about the settings. */
  get secureContext(): tls.SecureContext {
    const { tls: settings } = this;
    this.#context ??= tls.createSecureContext({
      minVersion: settings?.minVersion ?? 'TLSv1.2',
      maxVersion: settings?.maxVersion ?? 'TLSv1.3',
      ...(settings === null || settings.ciphers === null ? {} : { ciphers: settings.ciphers }),
      ...(settings === null || settings.verify === null ? {} : { ca: settings.verify.caPem }),
    });
    return this.#context;
  }
}

/** The transports of one worker. */
export class Transports {
  /** HTTP/1.1 without TLS: what nearly all upstreams are. */
  readonly plain = new Transport('http', null);
  readonly #usual: Readonly<Record<Kind, Transport>> = {
    http: this.plain,
    https: new Transport('https', null),
    http2: new Transport('http2', null),
    grpc: new Transport('grpc', null),
    grpcs: new Transport('grpcs', null),
  };
  /** By the settings object of the table: made once for each of them. */
  readonly #special = new WeakMap<UpstreamTls, Transport>();

  /** `isClientTls`: the request came over TLS, which `auto` goes by. */
  of(policy: RoutePolicy, isClientTls: boolean): Transport {
    const { protocol, upstreamTls } = policy;
    if (protocol === 'http') return this.plain;
    const kind = protocol === 'auto' ? (isClientTls ? 'https' : 'http') : protocol;
    const usual = this.#usual[kind];
    return upstreamTls === null || !usual.isTls ? usual : this.#specialOf(kind, upstreamTls);
  }

  #specialOf(kind: Kind, settings: UpstreamTls): Transport {
    const known = this.#special.get(settings);
    if (known?.kind === kind) return known;
    const made = new Transport(kind, settings);
    this.#special.set(settings, made);
    return made;
  }
}

/** Opens a connection. Events go to `owner`; it is open with `connect`, or with `secureConnect` for TLS. */
export function openSocket(endpoint: EndpointAddress, transport: Transport, owner: SocketOwner): Socket {
  if (!transport.isTls) return connectSocket(endpoint.address, endpoint.port, owner);
  const socket = secureSocket(endpoint, transport);
  attachDataEvents(socket, owner);
  return socket;
}

function secureSocket(endpoint: EndpointAddress, transport: Transport): Socket {
  const verify = transport.tls?.verify ?? null;
  const session = transport.sessions.take(endpoint);
  try {
    const socket = tls.connect({
      host: endpoint.address,
      port: endpoint.port,
      autoSelectFamily: false,
      allowHalfOpen: true,
      secureContext: transport.secureContext,
      // '' keeps Node from sending a name of its own choice.
      servername: transport.tls?.serverName ?? '',
      rejectUnauthorized: verify !== null,
      ...(verify === null ? {} : { checkServerIdentity: identityOf(verify.name) }),
      ...(transport.isHttp2 ? { ALPNProtocols: ['h2'] } : {}),
      ...(session === undefined ? {} : { session }),
    } as tls.ConnectionOptions);
    keepSessions(socket, endpoint, transport.sessions);
    return socket.setNoDelay(true);
  } catch (error) {
    // Settings that OpenSSL refuses: the same to a request as an endpoint that cannot be reached.
    return new net.Socket().destroy(error instanceof Error ? error : new Error(String(error)));
  }
}

function identityOf(name: string): (host: string, certificate: tls.PeerCertificate) => Error | undefined {
  return (_host, certificate) => tls.checkServerIdentity(name, certificate);
}

/** TLS 1.3 servers send sessions behind the handshake, as often as they like: the newest one counts. */
function keepSessions(socket: tls.TLSSocket, endpoint: EndpointAddress, sessions: TlsSessions): void {
  let isOpen = false;
  socket.once('secureConnect', () => {
    isOpen = true;
  });
  socket.on('session', (session: Buffer) => sessions.put(endpoint, session));
  socket.once('close', () => {
    if (!isOpen) sessions.drop(endpoint);
  });
}
