// The TLS handshakes under way in one worker: bounded in number, and counted by how they fail.
//
// A handshake costs the server far more than the client: half a millisecond of CPU and a connection that nobody has
// asked anything of yet. Those beyond the bound are refused before they cost anything.

import type { Socket } from 'node:net';
import type { PeerLimits } from '../table/peer-limits.ts';

/** Why a handshake did not complete: `limit` was not begun. */
export interface HandshakeFailures {
  failed: number;
  timeout: number;
  limit: number;
}

export class Handshakes {
  readonly failures: HandshakeFailures = { failed: 0, timeout: 0, limit: 0 };
  #underWay = 0;

  get underWay(): number {
    return this.#underWay;
  }

  /** Counts a handshake in; false when there are too many, and then `accepted` is closed. */
  begin(accepted: Socket, { maxHandshakes }: PeerLimits): boolean {
    if (this.#underWay < maxHandshakes) {
      this.#underWay++;
      return true;
    }
    this.failures.limit++;
    accepted.destroy();
    return false;
  }

  /** A handshake is complete. */
  completed(): void {
    this.#underWay--;
  }

  /** A handshake has failed with this error of Node's. */
  failed(error: NodeJS.ErrnoException): void {
    this.#underWay--;
    if (error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT') this.failures.timeout++;
    else this.failures.failed++;
  }
}
