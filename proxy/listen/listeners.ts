// Opens listening sockets and turns accepted connections into Http1Connections.
//
// Each worker listens on the same port with SO_REUSEPORT; the kernel spreads connections over them.

import net from 'node:net';
import tls from 'node:tls';
import type { ProxyContext } from '../forward/context.ts';
import { matchSni } from '../match/sni.ts';
import { hostsToBind, listenOn } from '../stream/bind.ts';
import type { StreamObserver } from '../stream/stream-record.ts';
import type { TcpSession } from '../stream/tcp-session.ts';
import type { ListenerSettings } from '../workers/messages.ts';
import { Entrance, type EntranceHome, type Lobby } from './entrance.ts';
import { Handshakes } from './handshakes.ts';
import { type ConnectionSet, Http1Connection } from './http1-connection.ts';
import { Http1Streams } from './http1-stream.ts';
import { Http2Connection, type Http2ConnectionSet } from './http2-connection.ts';
import { Http2Parts } from './http2-parts.ts';
import type { Http2Stream } from './http2-stream.ts';
import { AnnouncedPeers, type Peer, Peers } from './peers.ts';
import { endFailedHandshake } from './plain-http-on-tls.ts';
import type { Prelude } from './prelude.ts';
import { ProtocolSniffer, type SnifferHome } from './protocol-sniffer.ts';
import type { SecureContexts } from './secure-contexts.ts';
import { renewTickets } from './session-tickets.ts';
import { attachDataEvents, canAdopt, changeOwner, releaseSocket, SocketAdopter, type SocketOwner } from './sockets.ts';

/**
 * Listening sockets per listener and worker, where the system spreads connections over them (SO_REUSEPORT). libuv accepts
 * one connection per socket and turn of the event loop; under full load a turn takes milliseconds, and the last of 512
 * new connections waited a second for its turn with one socket.
 */
const ACCEPT_SOCKETS = 32;

export interface ListenOptions {
  readonly ticketKeys: Buffer;
  readonly maxConnections: number;
  readonly staticReadBuffer: boolean;
  /** False where the platform has no SO_REUSEPORT: then there is one worker. */
  readonly reusePort: boolean;
  /** Hears of passthrough connections. */
  readonly streams: StreamObserver;
}

/** A client connection, whatever it speaks. */
interface ClientConnection {
  drain(): void;
  cut(): void;
}

export class Listeners implements ConnectionSet, Http2ConnectionSet, SnifferHome, EntranceHome {
  readonly context: ProxyContext;
  readonly streams: Http1Streams;
  readonly http2 = new Http2Parts<Http2Stream>();
  readonly #contexts: SecureContexts;
  readonly #options: ListenOptions;
  /** Shared with whoever else accepts sockets in this worker. */
  readonly adopter: SocketAdopter;
  readonly entrance: Entrance;
  readonly #servers: net.Server[] = [];
  readonly #secureServers: tls.Server[] = [];
  readonly #connections = new Set<ClientConnection>();
  #onEmpty: (() => void) | null = null;
  /** Connections refused because `maxConnections` was reached, or that the system could not accept. */
  refused = 0;
  readonly handshakes = new Handshakes();
  readonly #announced = new AnnouncedPeers();

  constructor(context: ProxyContext, contexts: SecureContexts, options: ListenOptions) {
    this.context = context;
    this.streams = new Http1Streams(context);
    this.adopter = new SocketAdopter(context.buffers.shared);
    this.entrance = new Entrance(this, options.streams, this.adopter, options.staticReadBuffer);
    this.#contexts = contexts;
    this.#options = options;
  }

  /** Opens one listener; gives the port it got. Rejects with the system's error. */
  async open(settings: ListenerSettings): Promise<number> {
    let { port } = settings;
    const sockets = this.#options.reusePort ? ACCEPT_SOCKETS : 1;
    for (const host of hostsToBind(settings.host, this.context.current.global.bind)) {
      for (let opened = 0; opened < sockets; opened++) port = await this.#openOne({ ...settings, host, port });
    }
    return port;
  }

  async #openOne(settings: ListenerSettings): Promise<number> {
    const server = settings.protocol === 'https' ? this.#createSecure() : this.#createPlain();
    const { reusePort } = this.#options;
    // A failed accept (no file descriptor left) concerns one connection.
    const port = await listenOn(server, { ...settings, reusePort }, () => {
      this.refused++;
    });
    this.#servers.push(server);
    return port;
  }

  /** Takes over the default certificate and versions of a new table; open connections keep what they have. */
  refreshDefaultContext(): void {
    for (const server of this.#secureServers) {
      server.setSecureContext(this.#defaultOptions());
      renewTickets(server, this.#options.ticketKeys);
    }
  }

  closed(connection: ClientConnection): void {
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#onEmpty?.();
  }

  /** Stops accepting, lets running requests finish, cuts the rest after `deadlineMs`. Gives how many were cut. */
  async drain(deadlineMs: number): Promise<number> {
    for (const server of this.#servers) server.close();
    for (const connection of [...this.#connections]) connection.drain();
    if (this.#connections.size > 0) await this.#waitUntilEmpty(deadlineMs);
    const left = [...this.#connections];
    for (const connection of left) connection.cut();
    return left.length;
  }

  #waitUntilEmpty(deadlineMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, deadlineMs);
      this.#onEmpty = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #createPlain(): net.Server {
    const { staticReadBuffer } = this.#options;
    const server = net.createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true }, (accepted) => {
      const rules = this.entrance.rulesFor(false);
      if (rules !== null) {
        if (!this.#isFull(accepted)) this.entrance.admit(accepted, rules, this.#plainLobby(peers, securePeers));
        return;
      }
      const { http2 } = this.context.current.global;
      if (http2.isEnabled && http2.hasPriorKnowledge) return this.#sniff(accepted, peers);
      const connection = this.#admit(accepted, peers);
      if (connection === null) return;
      if (staticReadBuffer && canAdopt(accepted)) connection.open(this.adopter.adopt(accepted, connection));
      else {
        attachDataEvents(accepted, connection);
        connection.open(accepted);
      }
    });
    let peers = new Peers(false, 0);
    let securePeers = new Peers(true, 0);
    server.once('listening', () => {
      peers = new Peers(false, portOf(server));
      securePeers = new Peers(true, portOf(server));
    });
    return server;
  }

  /** Listens by itself and lets a `tls.Server` shake hands, so that what would be refused never begins a handshake. */
  #createSecure(): net.Server {
    let peers = new Peers(true, 0);
    let timeoutMs = this.context.current.global.peerLimits.handshakeTimeoutMs;
    let secure = this.#createHandshaker(timeoutMs, () => peers);
    const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (accepted) => {
      const { peerLimits } = this.context.current.global;
      if (this.#isFull(accepted)) return;
      if (peerLimits.handshakeTimeoutMs !== timeoutMs) {
        // A tls.Server keeps the time limit it was made with.
        timeoutMs = peerLimits.handshakeTimeoutMs;
        this.#secureServers.splice(this.#secureServers.indexOf(secure), 1);
        secure = this.#createHandshaker(timeoutMs, () => peers);
      }
      const rules = this.entrance.rulesFor(true);
      if (rules !== null) return this.entrance.admit(accepted, rules, this.#secureLobby(peers, secure));
      if (this.handshakes.begin(accepted, peerLimits)) secure.emit('connection', accepted);
    });
    server.once('listening', () => {
      peers = new Peers(true, portOf(server));
    });
    return server;
  }

  #createHandshaker(handshakeTimeout: number, peers: () => Peers): tls.Server {
    const server = tls.createServer({
      ...this.#defaultOptions(),
      ALPNCallback: ({ protocols }) => this.#chooseProtocol(protocols),
      SNICallback: (name, done) => this.#chooseContext(name, done),
      handshakeTimeout,
      ticketKeys: this.#options.ticketKeys,
    });
    renewTickets(server, this.#options.ticketKeys);
    server.on('secureConnection', (socket) => {
      this.handshakes.completed();
      if (socket.alpnProtocol === 'h2')
        return this.#openHttp2(socket, this.#announced.take(socket) ?? peers().of(socket.remoteAddress ?? ''));
      const connection = this.#admit(socket, peers(), this.#announced.take(socket));
      if (connection === null) return;
      this.#readTls(socket, connection);
      connection.open(socket);
    });
    server.on('tlsClientError', (error, socket) => {
      this.handshakes.failed(error);
      endFailedHandshake(socket, error);
    });
    this.#secureServers.push(server);
    return server;
  }

  /** `use-http2` holds for new connections (RFC 7301 §3.2: `undefined` refuses the handshake). */
  #chooseProtocol(offered: readonly string[]): string | undefined {
    if (offered.includes('h2') && this.context.current.global.http2.isEnabled) return 'h2';
    return offered.includes('http/1.1') ? 'http/1.1' : undefined;
  }

  #openHttp2(socket: tls.TLSSocket, peer: Peer): void {
    if (this.#isFull(socket)) return;
    // RFC 9113 §9.2.1: no renegotiation.
    socket.disableRenegotiation();
    const connection = new Http2Connection(this, peer, socket);
    this.#connections.add(connection);
    this.#readTls(socket, connection);
    // Its handshake began before the drain: what it asks for at once is served.
    if (this.context.isDraining) connection.drain();
  }

  #readTls(socket: tls.TLSSocket, owner: SocketOwner): void {
    if (this.#options.staticReadBuffer) this.adopter.adoptTls(socket, owner);
    else attachDataEvents(socket, owner);
  }

  /** See `EntranceHome`. */
  entered(connection: Prelude | TcpSession): void {
    this.#connections.add(connection);
  }

  left(connection: Prelude | TcpSession): void {
    this.closed(connection);
  }

  #plainLobby(peers: Peers, securePeers: Peers): Lobby {
    return { isTls: false, peers, securePeers, enter: (socket, peer, rest) => this.#enterPlain(socket, peer, rest) };
  }

  #enterPlain(socket: net.Socket, peer: Peer, rest: Buffer): void {
    const { http2 } = this.context.current.global;
    const isSniffed = http2.isEnabled && http2.hasPriorKnowledge;
    const connection = isSniffed ? new ProtocolSniffer(this, peer) : new Http1Connection(this, peer);
    this.#connections.add(connection);
    changeOwner(socket, connection);
    connection.open(socket);
    if (rest.length === 0 || connection.onRead(rest, 0, rest.length, true)) socket.resume();
  }

  #secureLobby(peers: Peers, secure: tls.Server): Lobby {
    const enter = (socket: net.Socket, peer: Peer, rest: Buffer) => this.#enterSecure(socket, peer, rest, secure);
    return { isTls: true, peers, securePeers: peers, enter };
  }

  #enterSecure(socket: net.Socket, peer: Peer, rest: Buffer, secure: tls.Server): void {
    releaseSocket(socket);
    if (!this.handshakes.begin(socket, this.context.current.global.peerLimits)) return;
    if (rest.length > 0) socket.unshift(rest);
    this.#announced.add(socket, peer);
    secure.emit('connection', socket);
  }

  /** Plain connections of which only the first bytes tell what they speak. */
  #sniff(accepted: net.Socket, peers: Peers): void {
    if (this.#isFull(accepted)) return;
    const sniffer = new ProtocolSniffer(this, peers.of(accepted.remoteAddress ?? ''));
    this.#connections.add(sniffer);
    attachDataEvents(accepted, sniffer);
    sniffer.open(accepted);
  }

  /** See `SnifferHome`. */
  decided(sniffer: ProtocolSniffer, socket: net.Socket, isHttp2: boolean): SocketOwner {
    const http1 = isHttp2 ? null : new Http1Connection(this, sniffer.peer);
    const connection = http1 ?? new Http2Connection(this, sniffer.peer, socket);
    this.#connections.delete(sniffer);
    this.#connections.add(connection);
    http1?.open(socket);
    return connection;
  }

  /** The limit sheds new connections, so that those that are open keep being served. */
  #isFull(socket: net.Socket): boolean {
    const most = this.context.current.global.peerLimits.maxConnections ?? Number.POSITIVE_INFINITY;
    if (this.#connections.size < Math.min(this.#options.maxConnections, most)) return false;
    this.refused++;
    socket.destroy();
    return true;
  }

  #admit(socket: net.Socket, peers: Peers, announced: Peer | null = null): Http1Connection | null {
    if (this.#isFull(socket)) return null;
    const connection = new Http1Connection(this, announced ?? peers.of(socket.remoteAddress ?? ''));
    this.#connections.add(connection);
    return connection;
  }

  #defaultOptions(): tls.SecureContextOptions {
    const { global } = this.context.current;
    return this.#contexts.optionsOf(global.rejectUnknownSni ? null : global.defaultCertificate);
  }

  #chooseContext(name: string, done: (error: Error | null, context?: tls.SecureContext) => void): void {
    const { index, global } = this.context.current;
    const id = matchSni(index, name);
    if (id === undefined && global.rejectUnknownSni) return done(new Error('unknown server name'));
    const chosen = id ?? global.defaultCertificate;
    const context = chosen === null ? undefined : this.#contexts.get(chosen);
    if (context !== undefined) return done(null, context);
    const fallback = global.defaultCertificate === null ? undefined : this.#contexts.get(global.defaultCertificate);
    done(null, fallback);
  }
}

function portOf(server: net.Server): number {
  return (server.address() as net.AddressInfo).port;
}
