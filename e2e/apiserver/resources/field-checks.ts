// Checks that several kinds share, with the words of k8s.io/apimachinery/pkg/util/validation. Each takes a value and
// answers what is wrong with it, or null.

import { isIP } from 'node:net';

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const DNS_LABEL = new RegExp(`^${LABEL}$`);
const DNS_SUBDOMAIN = new RegExp(`^${LABEL}(\\.${LABEL})*$`);
const WILDCARD = new RegExp(`^\\*\\.${LABEL}(\\.${LABEL})*$`);
const PORT_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

const SUBDOMAIN_MESSAGE =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and " +
  "end with an alphanumeric character (e.g. 'example.com', regex used for validation is " +
  "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_MESSAGE =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with " +
  "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is " +
  "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const RFC1035_MESSAGE =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and " +
  "end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is " +
  "'[a-z]([-a-z0-9]*[a-z0-9])?')";
const WILDCARD_MESSAGE =
  "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower " +
  "case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used " +
  "for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/** RFC 1123 subdomain, at most 253 characters: names of most objects, and hosts. */
export function checkSubdomain(value: string): string | null {
  if (value.length > 253) return 'must be no more than 253 characters';
  return DNS_SUBDOMAIN.test(value) ? null : SUBDOMAIN_MESSAGE;
}

/** RFC 1123 label, at most 63 characters: Namespaces. */
export function checkLabel(value: string): string | null {
  if (value.length > 63) return 'must be no more than 63 characters';
  return DNS_LABEL.test(value) ? null : LABEL_MESSAGE;
}

/** DNS-1035 label: Services, which start with a letter. */
export function checkServiceName(value: string): string | null {
  if (value.length > 63) return 'must be no more than 63 characters';
  return DNS_LABEL.test(value) && /^[a-z]/.test(value) ? null : RFC1035_MESSAGE;
}

/** `*.` and a subdomain. */
export function checkWildcard(value: string): string | null {
  return WILDCARD.test(value) ? null : WILDCARD_MESSAGE;
}

/** Names of RBAC objects: anything that fits in one path segment. */
export function checkPathSegment(value: string): string | null {
  if (value === '.' || value === '..') return `may not be '${value}'`;
  return /[/%]/.test(value) ? "may not contain '/' or '%'" : null;
}

export function checkPortNumber(value: unknown): string | null {
  return typeof value === 'number' && value >= 1 && value <= 65535 ? null : 'must be between 1 and 65535, inclusive';
}

/** IANA_SVC_NAME, as in Service and Ingress ports: at most 15 characters with at least one letter. */
export function checkPortName(value: string): string | null {
  if (value.length > 15) return 'must be no more than 15 characters';
  if (!PORT_NAME.test(value)) return 'must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)';
  if (!/[a-z]/.test(value)) return 'must contain at least one letter (a-z)';
  return value.includes('--') ? 'must not contain consecutive hyphens' : null;
}

const IP_MESSAGE = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';

export function checkIp(value: string): string | null {
  return isIP(value) === 0 ? IP_MESSAGE : null;
}

/** Addresses no pod can have (validation.ValidateNonSpecialIP): loopback, link-local, multicast, unspecified. */
export function checkEndpointIp(value: string): string | null {
  if (isIP(value) === 0) return IP_MESSAGE;
  const lower = value.toLowerCase();
  if (/^0\.0\.0\.0$|^[0:]+$/.test(lower)) return 'may not be unspecified (0.0.0.0 or ::)';
  if (/^127\./.test(lower) || /^(0+:)*:?:?0*1$/.test(lower))
    return 'may not be in the loopback range (127.0.0.0/8, ::1/128)';
  if (/^169\.254\./.test(lower) || /^fe[89ab]/.test(lower)) {
    return 'may not be in the link-local range (169.254.0.0/16, fe80::/10)';
  }
  if (/^224\.0\.0\./.test(lower) || /^ff02:/.test(lower)) {
    return 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)';
  }
  return null;
}
