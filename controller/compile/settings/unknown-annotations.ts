// Names that manifests carry although ingress-nginx v1.15 does not read them. Annotation reference section 18. It
// ignores them silently; Sluice says so, and names the setting that does what was meant, where one exists.

/** One such name, or several that start alike. */
export interface UnreadAnnotation {
  readonly name: string;
  readonly match: 'exact' | 'prefix';
  /** What to do instead, as one clause; '' when there is nothing. */
  readonly hint: string;
}

const useKey = (key: string): string => `set ${key} in the ConfigMap instead`;

/** All names of the reference. An exact name comes before a prefix that covers it. */
export const unreadAnnotations: readonly UnreadAnnotation[] = [
  exact('secure-backends', 'set backend-protocol: HTTPS instead'),
  exact('secure-verify-ca-secret', 'set proxy-ssl-secret and proxy-ssl-verify instead'),
  exact('grpc-backend', 'set backend-protocol: GRPC instead'),
  exact('session-cookie-hash', ''),
  exact('add-base-url', ''),
  exact('base-url-scheme', ''),
  exact('enable-opentracing', 'set enable-opentelemetry instead'),
  starting('opentracing-', 'set enable-opentelemetry instead'),
  exact('enable-influxdb', ''),
  starting('influxdb-', ''),
  starting('global-rate-limit', 'set limit-rps or limit-rpm instead'),
  starting('auth-tls-verify-', 'the names are auth-tls-verify-client and auth-tls-verify-depth'),
  exact('large-client-header-buffers', useKey('large-client-header-buffers')),
  exact('client-header-buffer-size', useKey('large-client-header-buffers')),
  exact('proxy-set-headers', useKey('proxy-set-headers')),
  exact('add-headers', useKey('add-headers')),
  starting('hsts', 'set hsts, hsts-max-age, hsts-include-subdomains or hsts-preload in the ConfigMap instead'),
  exact('enable-underscores-in-headers', useKey('enable-underscores-in-headers')),
  exact('use-forwarded-headers', useKey('use-forwarded-headers')),
  exact('enable-websockets', 'WebSocket needs no setting'),
  exact('websocket-services', 'WebSocket needs no setting'),
  exact('server-snippets', 'the name is server-snippet, which Sluice does not run'),
  exact('limit-req-status-code', useKey('limit-req-status-code')),
  exact('proxy-hide-headers', useKey('hide-headers')),
  exact('ssl-protocols', useKey('ssl-protocols')),
];

function exact(name: string, hint: string): UnreadAnnotation {
  return { name, match: 'exact', hint };
}

function starting(name: string, hint: string): UnreadAnnotation {
  return { name, match: 'prefix', hint };
}

/** The entry for a name, or null. */
export function findUnread(name: string): UnreadAnnotation | null {
  return (
    unreadAnnotations.find((entry) => (entry.match === 'exact' ? entry.name === name : name.startsWith(entry.name))) ??
    null
  );
}
