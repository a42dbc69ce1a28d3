// The running parts of a benchmark: the origins and one instance per contender and flavour, started when first needed.

import { mkdirSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Built } from './build.ts';
import { type Contender, type Flavour, GRPC_PORT, HOST, ORIGIN_PORTS, type Ports } from './contenders/contender.ts';
import { LOAD_CORE, PinnedProcess } from './pinned-process.ts';

/** Instances take three ports each, from here on; the origins have 9901 to 9903. */
const FIRST_PORT = 9910;
const START_MS = 60_000;

export interface Instance {
  readonly contender: Contender;
  readonly process: PinnedProcess;
  readonly ports: Ports;
}

export class Arena implements AsyncDisposable {
  readonly #directory: string;
  readonly #built: Built;
  readonly #instances = new Map<string, Instance>();
  readonly #origins: PinnedProcess[] = [];
  #nextPort = FIRST_PORT;

  constructor(directory: string, built: Built) {
    this.#directory = directory;
    this.#built = built;
  }

  async start(): Promise<void> {
    const origin = this.#startOrigin(this.#built.origin, ORIGIN_PORTS, 'origin.log');
    for (const port of ORIGIN_PORTS) await waitUntilServed(origin, port);
    // It speaks no HTTP/1.1: that it is there shows behind the first contender.
    this.#startOrigin(this.#built.grpcOrigin, [GRPC_PORT], 'grpc-origin.log');
  }

  /** The instance of a contender; started, and serving, when this resolves. */
  async instance(contender: Contender, flavour: Flavour): Promise<Instance> {
    const key = `${contender.name}-${flavour}`;
    const running = this.#instances.get(key);
    if (running !== undefined) {
      running.process.assertRunning();
      return running;
    }
    const instance = await this.#startInstance(contender, flavour, key);
    this.#instances.set(key, instance);
    return instance;
  }

  /** Ends all instances, not the origin: the next `instance` is a fresh process. */
  async stopInstances(): Promise<void> {
    const instances = [...this.#instances.values()];
    this.#instances.clear();
    this.#nextPort = FIRST_PORT;
    await Promise.all(instances.map((instance) => instance.process.stop()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopInstances();
    await Promise.all(this.#origins.map((origin) => origin.stop()));
  }

  #startOrigin(command: string, ports: readonly number[], logName: string): PinnedProcess {
    const logFile = join(this.#directory, logName);
    const origin = new PinnedProcess({ core: LOAD_CORE, command, args: ports.map(String), logFile });
    this.#origins.push(origin);
    return origin;
  }

  async #startInstance(contender: Contender, flavour: Flavour, key: string): Promise<Instance> {
    const directory = join(this.#directory, `${key}-${this.#nextPort}-${Date.now()}`);
    mkdirSync(directory);
    const port = this.#nextPort;
    this.#nextPort += 3;
    const ports = { http: port, https: port + 1, health: port + 2 };
    const { certFile, keyFile } = this.#built;
    const process = contender.start({ flavour, directory, ports, certFile, keyFile });
    const instance = { contender, process, ports };
    try {
      await waitUntilServed(process, ports.http);
    } catch (error) {
      await process.stop();
      throw new Error(`${contender.name} (${flavour}) did not start`, { cause: error });
    }
    return instance;
  }
}

/** Text that a port answers to `GET path` for the benchmark's host. Rejects for any status but 200. */
export function ask(port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, headers: { host: HOST }, agent: false, timeout: 5000 };
    const request = get(options, (response) => {
      let text = '';
      response.setEncoding('latin1');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`port ${port} answered ${response.statusCode} to ${path}`));
      });
    });
    request.on('timeout', () => request.destroy(new Error(`port ${port} did not answer ${path}`)));
    request.on('error', reject);
  });
}

async function waitUntilServed(process: PinnedProcess, port: number): Promise<void> {
  const deadline = performance.now() + START_MS;
  for (;;) {
    process.assertRunning();
    try {
      await ask(port, '/1k');
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await sleep(50);
  }
}
