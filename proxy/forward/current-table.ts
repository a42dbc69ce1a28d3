// Makes the reference that requests keep from what an update brought: index, settings, and what follows from settings.

import type { RouteIndex } from '../match/index.ts';
import type { GlobalSettings } from '../table/types.ts';
import type { CurrentTable } from './context.ts';
import { trustedPeers } from './trusted-peers.ts';

/** Renders once per revision what would otherwise be rendered once per request. */
export function currentTable(revision: number, index: RouteIndex, global: GlobalSettings): CurrentTable {
  const server = global.serverTokens ? 'Server: sluice\r\n' : '';
  const hsts = global.hstsValue === null ? '' : `Strict-Transport-Security: ${global.hstsValue}\r\n`;
  return {
    revision,
    index,
    global,
    requestLimits: {
      maxRequestLineBytes: global.maxRequestLineBytes,
      maxHeaderLineBytes: global.maxHeaderLineBytes,
      maxHeadBytes: global.maxHeadBytes,
      maxHeaderCount: global.maxHeaderCount,
      allowUnderscoreHeaders: global.allowUnderscoreHeaders,
      allowUnusualHeaders: global.allowUnusualHeaders,
    },
    isTrusted: trustedPeers(global),
    plainLines: server,
    tlsLines: server + hsts,
  };
}
