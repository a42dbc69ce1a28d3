// ConfigMap keys about the address of the client and forwarded headers. ConfigMap reference section D.

import { configMapFamily } from './define.ts';
import type { ConfigMapRecord } from './record.ts';
import { bool, cidrList, goDuration, textNamed } from './types.ts';

const forwarding = configMapFamily({ group: 'Client address and forwarded headers', support: 'notYet' });
const headerName = textNamed('header name');

/** Whether X-Forwarded-* of clients is believed. */
export const useForwardedHeaders: ConfigMapRecord<boolean> = forwarding({
  key: 'use-forwarded-headers',
  type: bool,
  default: false,
  support: 'full',
  doc: 'Believes X-Forwarded-For, -Proto, -Host and -Port of the client.',
});

/** Append instead of replace. */
export const computeFullForwardedFor: ConfigMapRecord<boolean> = forwarding({
  key: 'compute-full-forwarded-for',
  type: bool,
  default: false,
  support: 'full',
  doc: 'Appends to X-Forwarded-For instead of replacing it; needs `use-forwarded-headers`.',
});

/** Who is believed. An invalid list trusts nobody: the default would trust everybody. */
export const proxyRealIpCidr: ConfigMapRecord<readonly string[]> = forwarding({
  key: 'proxy-real-ip-cidr',
  type: cidrList,
  default: ['0.0.0.0/0'],
  whenInvalid: [],
  support: 'full',
  doc: 'Networks whose forwarded headers are believed with `use-forwarded-headers`, and whose PROXY headers with `use-proxy-protocol`. `0.0.0.0/0` stands for IPv6 too. An invalid list trusts nobody.',
});

/** A PROXY header before everything. */
export const useProxyProtocol: ConfigMapRecord<boolean> = forwarding({
  key: 'use-proxy-protocol',
  type: bool,
  default: false,
  support: 'full',
  doc: 'Expects a PROXY header, version 1 or 2, on the HTTP and HTTPS listeners; connections without one are closed. The address counts when the sender is in `proxy-real-ip-cidr`.',
});

/** Milliseconds for that header, and for the ClientHello of a listener with passthrough. */
export const proxyProtocolHeaderTimeout: ConfigMapRecord<number> = forwarding({
  key: 'proxy-protocol-header-timeout',
  type: goDuration,
  default: 5000,
  support: 'full',
  doc: 'Time for the PROXY header, and for the server name of a TLS connection while a host has `ssl-passthrough`.',
});

/** All of this family, in the order of the reference. */
export const forwardingKeys: readonly ConfigMapRecord<unknown>[] = [
  useForwardedHeaders,
  forwarding({
    key: 'enable-real-ip',
    type: bool,
    default: false,
    doc: 'Takes the address of the client from the header, without believing the other forwarded headers.',
    note: 'the address of the client is the one of the connection, unless use-forwarded-headers is on',
  }),
  forwarding({
    key: 'forwarded-for-header',
    type: headerName,
    default: 'X-Forwarded-For',
    doc: 'Header with the address of the client.',
    note: 'X-Forwarded-For is read',
  }),
  forwarding({
    key: 'forwarded-host-header',
    type: headerName,
    default: 'X-Forwarded-Host',
    doc: 'Header kept as X-Original-Forwarded-Host.',
    note: 'X-Forwarded-Host is read',
  }),
  forwarding({
    key: 'forwarded-for-proxy-protocol-header',
    type: headerName,
    default: 'X-Forwarded-For-Proxy-Protocol',
    support: 'noEffect',
    doc: 'Internal header of ingress-nginx.',
    note: 'Sluice needs no such header',
  }),
  computeFullForwardedFor,
  forwarding({
    key: 'proxy-add-original-uri-header',
    type: bool,
    default: false,
    doc: 'Sends X-Original-URI to the upstream.',
    note: 'X-Original-URI is not sent',
  }),
  proxyRealIpCidr,
  useProxyProtocol,
  proxyProtocolHeaderTimeout,
  forwarding({
    key: 'proxy-set-headers',
    type: textNamed('`namespace/name` of a ConfigMap'),
    default: '',
    doc: 'ConfigMap with headers for all requests to upstreams.',
    note: 'these headers are not sent to upstreams',
  }),
  forwarding({
    key: 'add-headers',
    type: textNamed('`namespace/name` of a ConfigMap'),
    default: '',
    doc: 'ConfigMap with headers for all responses.',
    note: 'these headers are not added to responses',
  }),
];
