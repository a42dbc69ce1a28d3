// Where pods of the tests listen: an EndpointSlice with a loopback address is refused by a real API server.

import { networkInterfaces } from 'node:os';

/** An IPv4 address of this machine that is not loopback; null where there is none. E2E_ADDRESS names another. */
export function machineAddress(): string | null {
  const given = process.env['E2E_ADDRESS'];
  if (given !== undefined && given !== '') return given;
  const entries = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return entries.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? null;
}
