// The TCP and UDP services of one worker: opens and closes their ports as tables come, each without touching the others.
//
//   wanted (table) --apply--> opening --> open            removed --> closed, sessions go on until their end or the limit
//                                +--> failed --every 5 s--> opening
// Ports are opened one after the other per service; a table that comes meanwhile is heeded when that is done.

import { EndpointRegistry } from '../endpoints/registry.ts';
import type { ProxyContext } from '../forward/context.ts';
import { Deadline } from '../forward/timer-wheel.ts';
import type { SocketAdopter } from '../listen/sockets.ts';
import type { StreamId, StreamService } from '../table/types.ts';
import { hostsToBind } from './bind.ts';
import type { StreamObserver } from './stream-record.ts';
import type { StreamUpstream } from './stream-upstream.ts';
import { TcpService, type TcpServiceHome } from './tcp-service.ts';
import { UdpService, type UdpServiceHome } from './udp-service.ts';

/** How long a port that could not be opened is left alone. */
const RETRY_MS = 5_000;
/** UDP answers are on their way for milliseconds: a worker that stops waits no longer for them. */
const UDP_DRAIN_MS = 2_000;

export interface StreamServicesOptions {
  readonly context: ProxyContext;
  readonly observer: StreamObserver;
  readonly adopter: SocketAdopter;
  readonly staticReadBuffer: boolean;
  readonly reusePort: boolean;
  /** `--bind-address`; ''. */
  readonly bindHost: string;
  /** Connections of all TCP services of this worker. */
  readonly maxConnections: number;
  readonly random: () => number;
  readonly log: (level: 'info', message: string, fields: Record<string, unknown>) => void;
  /** A port could not be opened, and what that means; null when it is open after all, or not wanted any more. */
  readonly onPortFault: (id: StreamId, fault: string | null) => void;
  readonly believes: (address: string) => boolean;
}

interface Entry {
  readonly listener: TcpService | UdpService;
  state: 'opening' | 'open' | 'failed';
  /** The real port; 0 while it is not open. */
  port: number;
}

export class StreamServices implements TcpServiceHome, UdpServiceHome {
  readonly context: ProxyContext;
  readonly observer: StreamObserver;
  readonly adopter: SocketAdopter;
  readonly staticReadBuffer: boolean;
  readonly reusePort: boolean;
  /** Connections that the system could not accept. */
  failedAccepts = 0;
  readonly #options: StreamServicesOptions;
  readonly #endpoints: EndpointRegistry;
  readonly #entries = new Map<StreamId, Entry>();
  /** Services that were removed and still have sessions. */
  readonly #leaving = new Set<TcpService | UdpService>();
  readonly #retry = new Deadline({ onDeadline: () => this.#openFailed() });
  #wanted: readonly StreamService[] = [];
  #udpSessions = 0;
  #opening = Promise.resolve();
  #isDraining = false;

  constructor(options: StreamServicesOptions) {
    this.#options = options;
    this.context = options.context;
    this.observer = options.observer;
    this.adopter = options.adopter;
    this.staticReadBuffer = options.staticReadBuffer;
    this.reusePort = options.reusePort;
    this.#endpoints = new EndpointRegistry({
      random: options.random,
      nowMs: options.context.preciseNowMs,
      onEndpointRemoved: () => undefined,
    });
  }

  /** Ports that are open and those that could not be opened, for metrics. */
  get listenerCounts(): { readonly open: number; readonly failed: number } {
    const states = [...this.#entries.values()].map(({ state }) => state);
    return {
      open: states.filter((state) => state === 'open').length,
      failed: states.filter((state) => state === 'failed').length,
    };
  }

  /** Takes over the services of a table. Endpoints are in force at once, ports as soon as the system gives them. */
  apply(services: readonly StreamService[]): void {
    if (services.length === 0 && this.#entries.size === 0) return;
    this.#wanted = services;
    this.#endpoints.replaceUpstreams(services.map(({ upstream }) => upstream));
    const ids = new Set(services.map(({ id }) => id));
    for (const [id, entry] of this.#entries) if (!ids.has(id)) this.#remove(id, entry);
    for (const service of services) this.#place(service);
  }

  /** Lets time pass for endpoints that were ejected. */
  tick(): void {
    if (this.#entries.size > 0) this.#endpoints.tick();
  }

  /** Resolves when every port of the tables so far has been opened or has failed. */
  async settled(): Promise<void> {
    await this.#opening;
  }

  /** The port of a service; 0 while it is not open. */
  portOf(id: StreamId): number {
    return this.#entries.get(id)?.port ?? 0;
  }

  /** Stops accepting, lets connections end, cuts the rest after `deadlineMs`. Gives how many were cut. */
  async drain(deadlineMs: number): Promise<number> {
    this.#isDraining = true;
    this.context.wheel.remove(this.#retry);
    const listeners = [...[...this.#entries.values()].map(({ listener }) => listener), ...this.#leaving];
    for (const listener of listeners) listener.close();
    const limitOf = (listener: TcpService | UdpService) =>
      listener instanceof UdpService ? Math.min(deadlineMs, UDP_DRAIN_MS) : deadlineMs;
    const cut = await Promise.all(listeners.map((listener) => listener.drain(limitOf(listener))));
    return cut.reduce((sum, count) => sum + count, 0);
  }

  // ---- for the services

  hasRoom(): boolean {
    let connections = 0;
    for (const { listener } of this.#entries.values()) if (listener instanceof TcpService) connections += listener.size;
    return connections < this.#options.maxConnections;
  }

  takePlace(): boolean {
    if (this.#udpSessions >= this.context.current.global.stream.maxUdpSessions) return false;
    this.#udpSessions++;
    return true;
  }

  givePlaceBack(): void {
    this.#udpSessions--;
  }

  upstreamOf(id: StreamId): StreamUpstream | undefined {
    return this.#endpoints.get(id);
  }

  believes(address: string): boolean {
    return this.#options.believes(address);
  }

  onFailedAccept(): void {
    this.failedAccepts++;
  }

  // ---- ports

  #place(service: StreamService): void {
    const known = this.#entries.get(service.id);
    if (known !== undefined) return known.listener.configure(service);
    const listener = service.protocol === 'tcp' ? new TcpService(this, service) : new UdpService(this, service);
    const entry: Entry = { listener, state: 'opening', port: 0 };
    this.#entries.set(service.id, entry);
    this.#open(service, entry);
  }

  #remove(id: StreamId, { listener, state }: Entry): void {
    this.#entries.delete(id);
    listener.close();
    if (state === 'failed') this.#options.onPortFault(id, null);
    this.#options.log('info', `${describe(id)} is closed`, { id });
    if (listener.size === 0) return;
    const limitMs = this.context.current.global.workerShutdownTimeoutMs;
    if (listener instanceof TcpService) listener.limitSessions(limitMs);
    this.#leaving.add(listener);
    void listener
      .drain(listener instanceof UdpService ? UDP_DRAIN_MS : limitMs)
      .then(() => this.#leaving.delete(listener));
  }

  /** In turn: a port that moves from one service to another is closed before it is opened again. */
  #open(service: StreamService, entry: Entry): void {
    this.#opening = this.#opening.then(() => this.#openNow(service, entry));
  }

  async #openNow({ id }: StreamService, entry: Entry): Promise<void> {
    if (this.#entries.get(id) !== entry || this.#isDraining) return;
    const hosts = hostsToBind(this.#options.bindHost, this.context.current.global.bind);
    try {
      entry.port = await entry.listener.open(hosts);
      const isMended = entry.state === 'failed';
      entry.state = 'open';
      // Removed, or the worker began to stop, while the system was asked.
      if (this.#entries.get(id) !== entry || this.#isDraining) return entry.listener.close();
      if (isMended) this.#options.onPortFault(id, null);
      this.#options.log('info', `${describe(id)} is open`, { id, port: entry.port });
    } catch (error) {
      // Removed meanwhile: nobody waits for it.
      if (this.#entries.get(id) !== entry) return;
      this.#onFailed(id, entry, error as NodeJS.ErrnoException);
    }
  }

  #onFailed(id: StreamId, entry: Entry, { code = 'UNKNOWN', message }: NodeJS.ErrnoException): void {
    const isNews = entry.state !== 'failed';
    entry.state = 'failed';
    if (isNews) {
      const why = `${describe(id)} cannot be opened: ${explain(code) ?? message}; its clients are refused, all other traffic is served; tried again every ${RETRY_MS / 1000} s`;
      this.#options.onPortFault(id, why);
    }
    if (!this.#isDraining) this.context.wheel.set(this.#retry, RETRY_MS);
  }

  #openFailed(): void {
    for (const service of this.#wanted) {
      const entry = this.#entries.get(service.id);
      if (entry?.state === 'failed') this.#open(service, entry);
    }
  }
}

function describe(id: StreamId): string {
  const [protocol = '', port = ''] = id.split(':');
  return `${protocol.toUpperCase()} port ${port}`;
}

function explain(code: string): string | null {
  switch (code) {
    case 'EADDRINUSE':
      return 'another process uses it (EADDRINUSE)';
    case 'EACCES':
      return 'this process may not use it (EACCES)';
    case 'EADDRNOTAVAIL':
      return 'this machine has no such address (EADDRNOTAVAIL)';
    default:
      return null;
  }
}
