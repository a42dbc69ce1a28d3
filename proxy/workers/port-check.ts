// Finds out before the start whether the listeners' ports are free.
//
// Workers bind with SO_REUSEPORT, so that all of them can share a port; but then a second Sluice on the same port would
// start without an error and take half of the connections. One plain bind on the main thread makes that a clear error.

import { once } from 'node:events';
import { createServer } from 'node:net';
import type { ListenerSettings } from './messages.ts';

/** A listener that cannot be opened. `code` is the system's, e.g. `EADDRINUSE` or `EACCES`. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
  readonly code: string;
  readonly listener: ListenerSettings;

  constructor(listener: ListenerSettings, code: string, message: string) {
    super(`listener ${listener.name} cannot use ${listener.host || '*'}:${listener.port}: ${explain(code) ?? message}`);
    this.code = code;
    this.listener = listener;
  }
}

/** Binds and frees each port once, one after the other. Throws ListenError for the first that fails. Port 0 is skipped. */
export async function checkPortsFree(listeners: readonly ListenerSettings[]): Promise<void> {
  for (const listener of listeners) {
    if (listener.port !== 0) await checkPortFree(listener);
  }
}

async function checkPortFree(listener: ListenerSettings): Promise<void> {
  const server = createServer();
  try {
    // `exclusive` keeps the bind out of node:cluster's sharing; without `reusePort` the kernel refuses a taken port.
    server.listen({ port: listener.port, exclusive: true, ...(listener.host === '' ? {} : { host: listener.host }) });
    await once(server, 'listening');
  } catch (error) {
    const { code = 'UNKNOWN', message } = error as NodeJS.ErrnoException;
    throw new ListenError(listener, code, message);
  }
  server.close();
  await once(server, 'close');
}

function explain(code: string): string | null {
  switch (code) {
    case 'EADDRINUSE':
      return 'the port is in use by another process (EADDRINUSE)';
    case 'EACCES':
      return 'the process may not open this port (EACCES)';
    case 'EADDRNOTAVAIL':
      return 'this machine has no such address (EADDRNOTAVAIL)';
    default:
      return null;
  }
}
