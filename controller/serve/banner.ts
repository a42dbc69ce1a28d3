// What a started Sluice tells a person: where it listens, which hosts it serves, and curl lines to copy. Pure: facts in,
// text out.

import type { CertificateInfo, RoutingTable, VirtualHost } from '#proxy/table/types.ts';
import { countDiagnostics, renderDiagnostic } from '../cli/render-diagnostic.ts';
import type { Diagnostic } from '../objects/diagnostic.ts';

/** More hosts or problems than this are counted, not listed. */
const MAX_HOSTS = 12;
const MAX_DIAGNOSTICS = 10;

export interface BannerFacts {
  readonly version: string;
  /** The folder that objects come from; null: an API server. */
  readonly manifests: string | null;
  readonly workers: number;
  /** Ports that were really taken, also when the flag said 0. */
  readonly httpPort: number;
  readonly httpsPort: number;
  readonly healthPort: number;
  readonly healthPath: string;
  readonly table: RoutingTable;
  readonly diagnostics: readonly Diagnostic[];
}

/** The lines that name a host: `*` stands for the catch-all. */
export interface HostLine {
  readonly host: string;
  readonly routes: number;
  readonly curl: readonly string[];
}

/** The banner as text, ending with a line break. */
export function renderBanner(facts: BannerFacts): string {
  const { table, httpPort, httpsPort, healthPort, healthPath } = facts;
  const lines = hostLines(facts);
  const shown = lines.slice(0, MAX_HOSTS);
  const more = lines.length - shown.length;
  return `
Sluice ${facts.version} serves ${facts.manifests ?? 'the Ingresses of the cluster'} with ${count(facts.workers, 'worker')}
  http   :${httpPort}
  https  :${httpsPort}
  health http://localhost:${healthPort}${healthPath}   metrics http://localhost:${healthPort}/metrics

${count(lines.length, 'host')}, ${count(table.upstreams.length, 'upstream')}, ${countDiagnostics(facts.diagnostics)}
${shown.map(renderHost).join('')}${more > 0 ? `  and ${count(more, 'more host')}\n` : ''}${resolveHint(lines, facts)}${renderDiagnostics(facts)}
${facts.manifests === null ? 'Changes in the cluster are live as they come' : 'Edit a manifest: the change is live when it is saved'}. Ctrl-C stops.
`;
}

/** One entry for each virtual host that an Ingress asked for, with the commands that reach it. */
export function hostLines(facts: Pick<BannerFacts, 'table' | 'httpPort' | 'httpsPort'>): HostLine[] {
  const certificates = new Map(facts.table.certificates.map((certificate) => [certificate.id, certificate]));
  return facts.table.virtualHosts.filter(hasOwnRoute).map((virtualHost) => ({
    host: virtualHost.name === '_' ? '*' : virtualHost.name,
    routes: virtualHost.routes.length,
    curl: curlLines(virtualHost, facts, certificates.get(virtualHost.certificate ?? '') ?? null),
  }));
}

/** The catch-all is always there; with nothing but built-in answers (404, /healthz) it is nothing to show. */
function hasOwnRoute({ routes }: VirtualHost): boolean {
  return routes.some(({ target }) => target.kind === 'upstream' || target.reason === 'denied');
}

function curlLines(
  virtualHost: VirtualHost,
  ports: Pick<BannerFacts, 'httpPort' | 'httpsPort'>,
  certificate: CertificateInfo | null,
): string[] {
  const host = sampleHost(virtualHost.name);
  const path = samplePath(virtualHost);
  const plain = `curl ${resolveOption(host, ports.httpPort)}http://${host}:${ports.httpPort}${path}`;
  if (certificate === null) return [plain];
  const trust = isSelfSigned(certificate) ? '-k ' : '';
  return [plain, `curl ${trust}${resolveOption(host, ports.httpsPort)}https://${host}:${ports.httpsPort}${path}`];
}

function sampleHost(name: string): string {
  if (name === '_') return 'localhost';
  return name.startsWith('*.') ? `any${name.slice(1)}` : name;
}

/** The shortest path that an Ingress names, rather than the implicit `/` of the host; `/` for a regex host. */
function samplePath({ routes }: VirtualHost): string {
  const named = routes.filter(({ labels }) => labels.service !== '');
  const paths = (named.length > 0 ? named : routes).map(({ match }) =>
    match.kind === 'regex' ? '/' : match.path || '/',
  );
  return paths.reduce((shortest, path) => (path.length < shortest.length ? path : shortest), paths[0] ?? '/');
}

/** curl and browsers take every name under localhost for loopback (RFC 6761 §6.3); any other name must be told. */
function resolveOption(host: string, port: number): string {
  return host === 'localhost' || host.endsWith('.localhost') ? '' : `--resolve ${host}:${port}:127.0.0.1 `;
}

/** For the systems that do not follow RFC 6761: curl's `*` stands for every name. */
function resolveHint(lines: readonly HostLine[], { httpPort, httpsPort }: BannerFacts): string {
  if (!lines.some((line) => line.host.endsWith('.localhost'))) return '';
  return `  If a name does not resolve: curl --resolve '*:${httpPort}:127.0.0.1' --resolve '*:${httpsPort}:127.0.0.1' ...\n`;
}

function isSelfSigned(certificate: CertificateInfo): boolean {
  return certificate.issuerCommonName === certificate.commonName;
}

function renderHost(line: HostLine): string {
  const [first, ...rest] = line.curl;
  const head = `  ${line.host.padEnd(24)} ${first ?? ''}\n`;
  return head + rest.map((curl) => `  ${''.padEnd(24)} ${curl}\n`).join('');
}

function renderDiagnostics({ diagnostics, manifests }: BannerFacts): string {
  const problems = diagnostics.filter((diagnostic) => diagnostic.severity !== 'info');
  if (problems.length === 0) return '';
  const lines = problems.slice(0, MAX_DIAGNOSTICS).map((diagnostic) => `  ${renderDiagnostic(diagnostic)}\n`);
  const more = problems.length - lines.length;
  const where = manifests === null ? 'see the log' : 'sluice translate prints them all';
  return `\n${lines.join('')}${more > 0 ? `  and ${more} more: ${where}\n` : ''}`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
