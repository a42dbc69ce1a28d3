// ConfigMap keys about error answers, client addresses and limits on every path. ConfigMap reference section E, second
// half. The address lists close everything while they are not carried out.

import type { Template } from '#proxy/table/template.ts';
import { configMapFamily } from './define.ts';
import type { ConfigMapRecord } from './record.ts';
import { templateNamed } from './template-type.ts';
import { bool, cidrList, integer, statusCode, statusList } from './types.ts';

const GROUP = 'Errors, address lists and limits';
const limits = configMapFamily({ group: GROUP, support: 'full' });
const later = configMapFamily({ group: GROUP, support: 'notYet' });

/** Status of requests beyond a rate limit. */
export const limitReqStatusCode: ConfigMapRecord<number> = limits({
  key: 'limit-req-status-code',
  type: statusCode(400, 599),
  default: 503,
  doc: 'Status where a request limit is exceeded.',
});

/** Status of requests beyond a connection limit. */
export const limitConnStatusCode: ConfigMapRecord<number> = limits({
  key: 'limit-conn-status-code',
  type: statusCode(400, 599),
  default: 503,
  doc: 'Status where a connection limit is exceeded.',
});

/** Client key of all limits. */
export const limitConnZoneVariable: ConfigMapRecord<Template> = limits({
  key: 'limit-conn-zone-variable',
  type: templateNamed('nginx variable'),
  default: [{ kind: 'variable', name: 'remoteAddr' }],
  doc: 'What tells clients apart for all limits.',
});

/** All of this file, in the order of the reference. */
export const limitKeys: readonly ConfigMapRecord<unknown>[] = [
  later({
    key: 'custom-http-errors',
    type: statusList(300, 599),
    default: [],
    doc: 'Statuses whose answers the default backend writes.',
    note: 'error answers of the Service reach the client unchanged',
  }),
  later({
    key: 'disable-proxy-intercept-errors',
    type: bool,
    default: false,
    inert: [true],
    doc: 'Leaves error answers of the Service alone, despite `custom-http-errors`.',
    note: 'no answers are replaced, whatever is set here',
  }),
  later({
    key: 'whitelist-source-range',
    type: cidrList,
    default: [],
    whenUnsupported: 'denyRoutes',
    doc: 'Client networks that are served on every path without a list of its own.',
    note: 'clients outside the list would be served too',
  }),
  later({
    key: 'denylist-source-range',
    type: cidrList,
    default: [],
    whenUnsupported: 'denyRoutes',
    doc: 'Client networks that get 403 on every path without a list of its own.',
    note: 'clients in the list would be served',
  }),
  limits({ key: 'limit-rate', type: integer, default: 0, doc: 'Bandwidth of one response, KiB per second.' }),
  limits({ key: 'limit-rate-after', type: integer, default: 0, doc: 'First part of a response not slowed, KiB.' }),
  limitReqStatusCode,
  limitConnStatusCode,
  limitConnZoneVariable,
];
