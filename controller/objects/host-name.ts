// Host names as Kubernetes writes them: hosts of Ingress rules and TLS entries, names of objects and ports.
//
// In: text of a manifest. Out: a checked name, or the reason why it is none, worded to follow the quoted value. The rules
// are those of the API server (k8s.io/apimachinery, util/validation), so that a folder and a cluster accept the same.

import { parseIpAddress } from './ip-address.ts';

/** A host of an Ingress that the API server would accept: lower case, no port, no trailing dot. */
export type IngressHost = string & { readonly __brand: 'IngressHost' };

/**
 * Result of `parseIngressHost`. `any` is the empty host of a catch-all rule. `wildcard` is `*.` and a name: `host` is the
 * whole text, `suffix` the name without `*.`. `why` completes the sentence `host "x" ...`.
 */
export type IngressHostParse =
  | { readonly ok: true; readonly kind: 'any'; readonly host: IngressHost }
  | { readonly ok: true; readonly kind: 'exact'; readonly host: IngressHost }
  | { readonly ok: true; readonly kind: 'wildcard'; readonly host: IngressHost; readonly suffix: string }
  | { readonly ok: false; readonly why: string };

const label = '[a-z0-9](?:[-a-z0-9]*[a-z0-9])?';
const dnsLabelPattern = new RegExp(`^${label}$`);
const dnsNamePattern = new RegExp(`^${label}(?:\\.${label})*$`);

/**
 * Reads `IngressRule.host` or an item of `IngressTLS.hosts` (networking.k8s.io/v1). '' is a rule for every host. Refused:
 * IP addresses, capitals, ports, trailing dots, `_`, and `*` anywhere but as the whole first label.
 */
export function parseIngressHost(text: string): IngressHostParse {
  if (text === '') return { ok: true, kind: 'any', host: text as IngressHost };
  if (parseIpAddress(text) !== null) return { ok: false, why: 'is an IP address; it must be a DNS name' };
  const suffix = text.startsWith('*.') ? text.slice(2) : null;
  const why = text.includes('*') && suffix === null ? strayWildcard : whyNotDnsName(suffix ?? text);
  if (why !== null) return { ok: false, why };
  if (text.length > maxDnsNameLength) return { ok: false, why: tooLong };
  const host = text as IngressHost;
  return suffix === null ? { ok: true, kind: 'exact', host } : { ok: true, kind: 'wildcard', host, suffix };
}

/** RFC 1035 §2.3.4. The API server checks this limit, but not the 63 characters of one label; neither does Sluice. */
const maxDnsNameLength = 253;
const tooLong = `is longer than ${maxDnsNameLength} characters`;
const strayWildcard = 'may hold "*" only as its whole first label, as in "*.example.com"';

/** Says why a text is not a lower-case DNS name (RFC 1123 subdomain), or null when it is one. */
export function whyNotDnsName(text: string): string | null {
  if (text.length > maxDnsNameLength) return tooLong;
  if (dnsNamePattern.test(text)) return null;
  const bad = text.split('.').find((part) => !dnsLabelPattern.test(part)) ?? text;
  if (bad === '') return 'has an empty label (a dot too many)';
  return `has the bad label ${quoteShort(bad)}: a label holds a-z, 0-9 and "-", and starts and ends with a letter or digit`;
}

/** Says why a text is not a DNS label (RFC 1123, at most 63 characters), or null when it is one. */
export function whyNotDnsLabel(text: string): string | null {
  if (text.length > 63) return 'is longer than 63 characters';
  return dnsLabelPattern.test(text)
    ? null
    : 'must hold only a-z, 0-9 and "-", and start and end with a letter or digit';
}

/** Says why a text is not a port name (`IANA_SVC_NAME`, RFC 6335 §5.1, lower case as the API demands), or null when it is one. */
export function whyNotPortName(text: string): string | null {
  const isPortName = text.length <= 15 && dnsLabelPattern.test(text) && /[a-z]/.test(text) && !text.includes('--');
  return isPortName
    ? null
    : 'must be a port name: at most 15 characters of a-z, 0-9 and single "-" inside, with at least one letter';
}

/** Quotes text for a message, cut to 64 characters so that one bad value cannot flood the log. */
export function quoteShort(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}...` : text);
}
