// Rules over several flags, as data: which exclude each other, which need another, which ports must differ. The first
// broken rule is the one line the user gets.

import type { CommandName } from './flag.ts';
import { type FlagName, type FlagValues, flags } from './flags.ts';
import { splitListenAddress } from './value-types.ts';

interface Rule {
  readonly isBroken: (values: FlagValues, command: CommandName) => boolean;
  readonly message: string;
}

const RULES: readonly Rule[] = [
  {
    // The URL is not shown: it may hold a password.
    isBroken: ({ limitStoreUrl: url }) => url !== '' && !isStoreUrl(url),
    message:
      '--limit-store-url is not of the form redis://user:password@host:port/database (or rediss://, for TLS), with % codes for what is special in a URL',
  },
  {
    isBroken: ({ limitStoreUrl: url, limitStoreCa }) => limitStoreCa !== '' && !url.startsWith('rediss://'),
    message: '--limit-store-ca needs a --limit-store-url that begins with rediss://',
  },
  {
    isBroken: ({ limitStoreUrl: url, limitStorePasswordFile }) => limitStorePasswordFile !== '' && url === '',
    message: '--limit-store-password-file needs --limit-store-url',
  },
  {
    isBroken: ({ limitStoreTimeout }) => limitStoreTimeout < 1 || limitStoreTimeout > 10_000,
    message: '--limit-store-timeout must be from 1ms to 10s',
  },
  {
    isBroken: (values) => values.watchNamespace !== '' && values.watchNamespaceSelector !== '',
    message: '--watch-namespace and --watch-namespace-selector exclude each other',
  },
  {
    isBroken: (values) => values.publishService !== '' && values.publishStatusAddress.length > 0,
    message: '--publish-service and --publish-status-address exclude each other',
  },
  {
    isBroken: (values) => values.manifests !== '' && (values.apiserverHost !== '' || values.kubeconfig !== ''),
    message: '--manifests excludes --apiserver-host and --kubeconfig: objects come from one place',
  },
  {
    isBroken: (values) => values.metricsPerUndefinedHost && !values.metricsPerHost,
    message: '--metrics-per-undefined-host needs --metrics-per-host=true',
  },
  {
    isBroken: (values) => !values.healthCheckPath.startsWith('/'),
    message: '--health-check-path must start with /',
  },
  {
    isBroken: (values) => hasDoubles([values.httpPort, values.httpsPort, values.healthzPort]),
    message: '--http-port, --https-port and --healthz-port must differ from each other',
  },
  {
    isBroken: (values) =>
      values.validatingWebhook !== '' &&
      (values.validatingWebhookCertificate === '' || values.validatingWebhookKey === ''),
    message: '--validating-webhook needs --validating-webhook-certificate and --validating-webhook-key',
  },
  {
    // The chart of ingress-nginx puts the webhook on 8443, which is the default of --https-port here.
    isBroken: ({ httpPort, httpsPort, healthzPort, validatingWebhook }) =>
      [httpPort, httpsPort, healthzPort].includes(splitListenAddress(validatingWebhook)?.port || -1),
    message: '--validating-webhook must have another port than --http-port, --https-port and --healthz-port',
  },
  {
    // The folder does not know selectors, and to ignore this one would serve Ingresses that were to be left out.
    isBroken: (values) => values.manifests !== '' && values.watchNamespaceSelector !== '',
    message: '--watch-namespace-selector needs an API server: it has no meaning with --manifests',
  },
  {
    isBroken: (values) => values.certificateAuthority !== '' && values.apiserverHost === '',
    message: '--certificate-authority needs --apiserver-host',
  },
  {
    isBroken: (values, command) => command === 'translate' && values.manifests === '',
    message: 'translate reads a folder: give --manifests DIR',
  },
];

/** The message of the first rule that these values break for this command; null when all hold. */
export function brokenRule(values: FlagValues, command: CommandName): string | null {
  return RULES.find((rule) => rule.isBroken(values, command))?.message ?? null;
}

/** True when the command takes the flag; `null` in the table means every command that reads objects. */
export function commandTakes(command: CommandName, name: FlagName): boolean {
  const { commands } = flags[name];
  if (commands === null) return readsObjects(command);
  return commands.includes(command) || (command === 'rbac' && commands.includes('serve'));
}

function readsObjects(command: CommandName): boolean {
  // `rbac` prints what a `serve` with the same flags needs.
  return command === 'serve' || command === 'translate' || command === 'rbac';
}

/** Port 0 is a free port of the system's choice, so it never collides. */
function hasDoubles(ports: readonly number[]): boolean {
  const fixed = ports.filter((port) => port !== 0);
  return new Set(fixed).size !== fixed.length;
}

/** What the client library takes without throwing: it decodes name and password, and reads the path as a number. */
function isStoreUrl(text: string): boolean {
  if (!/^rediss?:\/\//.test(text) || !URL.canParse(text)) return false;
  const { hostname, username, password, pathname } = new URL(text);
  return hostname !== '' && /^\/?\d*$/.test(pathname) && isDecodable(username) && isDecodable(password);
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
