// A port for a process that has to be told its port before it starts.

import { type AddressInfo, createServer } from 'node:net';

/** Free at this moment, on all addresses. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
